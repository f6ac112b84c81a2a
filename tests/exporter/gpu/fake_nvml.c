/*
 * A stand-in for libnvidia-ml.so.1, so that the tests drive the real pynvml without a GPU.
 *
 * What it answers is set by the text file named in FAKE_NVML_CONTROL, read again whenever the file
 * changes; without one there is a single healthy GPU. One statement a line, "GPU" an index or `*`,
 * a later line wins over an earlier one, unknown lines are ignored:
 *
 *   gpus N                            how many GPUs there are (a handle past the count is "lost")
 *   driver VERSION                    the driver's version, if not the one it was compiled with
 *   kernel VERSION                    the kernel has this driver: a library compiled with another
 *                                     answers everything with LIB_RM_VERSION_MISMATCH
 *   init CODE                         nvmlInit* return CODE
 *   all CODE                          everything but nvmlInit*, nvmlShutdown returns CODE
 *   missing FUNCTION                  FUNCTION returns FUNCTION_NOT_FOUND
 *   lost GPU                          every call on that GPU returns GPU_IS_LOST
 *   error GPU FUNCTION CODE           that call returns CODE
 *   hang GPU FUNCTION                 that call blocks for as long as the line is there
 *   delay GPU FUNCTION MILLISECONDS   that call sleeps first (several lines add up)
 *   hold GPU FUNCTION MILLISECONDS    the same, and all other calls wait for it meanwhile
 *   field_error GPU FIELD CODE        nvmlReturn of that field value
 *   field_type GPU FIELD TYPE         valueType of that field value, whatever it is
 *   set GPU KEY VALUE                 a value of NUMBERS below, or `name` or `uuid`
 *   process GPU compute|graphics|mps PID BYTES [GI CI]   BYTES -1: the driver does not know
 *   mig GPU GI CI PROFILE TOTAL USED [NUMBER START]   MIG is on, with this instance, whose profile
 *                                     has this number and which starts at this slice; without
 *                                     them the caller may not know; `mig GPU` alone: with none
 *   count NUMBER                      nvmlDeviceGetCount says so, however many there are
 *   raw GPU name|uuid|bus|driver HEX  these bytes, whatever they are; a `*` at the end: up to the
 *                                     end of the caller's buffer, without a zero
 *   null GPU                          its handle is of nothing, and so are its MIG instances'
 *   twin GPU OTHER                    it has the handle of another
 *   mig_count GPU NUMBER              so many MIG instances there may be
 *   process_count GPU NUMBER FOUND    so many processes of each class there are, and of a list
 *                                     that was asked for so many are said to be filled in
 *   flood GPU TYPE                    its events of this type do not end
 *   drift GPU                         its numbers move with time, as those of a busy GPU do
 *   xid GPU CODE SEQ                  one XID event, the first time this SEQ is seen since loading
 *
 * FUNCTION is the exported name, or `*` for any. A call that takes no device ignores the GPU of
 * a line that names it, and heeds a line for `*` only if its GPU is `*` too. A call on a MIG
 * handle counts as one on its parent.
 *
 * If FAKE_NVML_CALLS is set, each call appends "FUNCTION GPU" (or "FUNCTION -") to that file, and
 * each field value asked for "field FIELD GPU".
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_GPUS = 64, MAX_MIG = 8, MAX_RULES = 4096, MAX_PROCESSES = 4096, MAX_SETS = 64 };
enum { NONE = -1 }; /* no particular GPU, or not a MIG instance */
enum { POLL_MS = 20, EVENT_POLL_MS = 5, PCIE_SAMPLE_MS = 20 };
enum { NAME_SIZE = 96, FUNCTION_SIZE = 64, RAW_SIZE = 128 };
enum { RAW_NAME, RAW_UUID, RAW_BUS, RAW_DRIVER, RAW_COUNT };
enum { MEMORY_V2 = 0x02000028, TEMPERATURE_V1 = 0x0100000C };
enum { EVENT_ECC_SINGLE = 0x1, EVENT_ECC_DOUBLE = 0x2, EVENT_XID = 0x8 };
#define SUPPORTED_EVENTS ((uint64_t)(EVENT_ECC_SINGLE | EVENT_ECC_DOUBLE | EVENT_XID))
#ifndef DRIVER
#define DRIVER "570.00.01"
#endif
#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

/* Those that this file returns of itself or that tests ask for; the control file may name any. */
#define CODES(X)                                                                                  \
    X(SUCCESS, 0, "The operation was successful")                                                 \
    X(UNINITIALIZED, 1, "Uninitialized")                                                          \
    X(INVALID_ARGUMENT, 2, "Invalid Argument")                                                    \
    X(NOT_SUPPORTED, 3, "Not Supported")                                                          \
    X(NO_PERMISSION, 4, "Insufficient Permissions")                                               \
    X(NOT_FOUND, 6, "Not Found")                                                                  \
    X(INSUFFICIENT_SIZE, 7, "Insufficient Size")                                                  \
    X(DRIVER_NOT_LOADED, 9, "Driver Not Loaded")                                                  \
    X(TIMEOUT, 10, "Timeout")                                                                     \
    X(FUNCTION_NOT_FOUND, 13, "Function Not Found")                                               \
    X(GPU_IS_LOST, 15, "GPU is lost")                                                             \
    X(LIB_RM_VERSION_MISMATCH, 18, "Driver/library version mismatch")                             \
    X(INSUFFICIENT_RESOURCES, 23, "Insufficient Resources")                                       \
    X(ARGUMENT_VERSION_MISMATCH, 25, "Argument version mismatch")

/* The values that `set` changes, and what a healthy GPU, that of index g, shows. */
#define NUMBERS(X)                                                                                \
    X(utilization, 50) X(memory_utilization, 25) X(encoder, 0) X(decoder, 0)                      \
    X(memory_used, 8 * GIB) X(memory_total, 80 * GIB) X(memory_reserved, 512 * MIB)               \
    X(power_mw, 300000) X(power_limit_mw, 700000) X(energy_mj, 1000000)                           \
    X(temperature, 45) X(memory_temperature, 50) X(slowdown, 87)                                  \
    X(sm_clock, 1755) X(memory_clock, 2619) X(graphics_clock, 1755) X(video_clock, 1365)          \
    X(max_sm_clock, 1980) X(max_memory_clock, 2619) X(max_graphics_clock, 1980)                   \
    X(max_video_clock, 1545)                                                                      \
    X(clock_reasons, 0) X(ecc_corrected, 0) X(ecc_uncorrected, 0)                                 \
    X(remapped_correctable, 0) X(remapped_uncorrectable, 0)                                       \
    X(remapped_pending, 0) X(remapped_failure, 0)                                                 \
    X(pcie_tx, 1000000) X(pcie_rx, 2000000) X(nvlink_tx, 3000) X(nvlink_rx, 4000)                 \
    X(minor_number, g) X(pcie_replay, 0) X(throttle_power_ns, 0) X(throttle_sync_boost_ns, 0)                        \
    X(throttle_sw_thermal_ns, 0) X(throttle_hw_thermal_ns, 0) X(throttle_power_brake_ns, 0)

#define X(name, code, text) name = code,
enum { CODES(X) };
#undef X
#define X(key, value) key,
enum { NUMBERS(X) NUMBER_COUNT };
#undef X
#define X(key, value) #key,
static const char *const number_names[] = {NUMBERS(X)};
#undef X

/* ---- The structures of the API, laid out as in nvml.h -------------------------------------- */

typedef struct Device Device; /* opaque: a handle's address alone says which device it is */
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
typedef struct { unsigned version; int sensor, temperature; } Temperature;
typedef struct { unsigned pid; unsigned long long bytes; unsigned gi, ci; } ProcessInfo;
typedef struct {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} PciInfo;
typedef struct {
    uint32_t field, scope;
    int64_t timestamp, latency_us;
    int type, code;
    union { unsigned ui; unsigned long long ull; } value;
} FieldValue;
typedef struct {
    Device *device;
    unsigned long long type, data;
    unsigned gi, ci;
} EventData;
typedef struct {
    unsigned multiprocessors, copy_engines, decoders, encoders, jpegs, ofas, gi_slices, ci_slices;
    unsigned long long memory_mb;
} Attributes;
typedef struct { bool used; uint64_t types[MAX_GPUS]; } EventSet;

/* ---- State, all of it under `lock` --------------------------------------------------------- */

typedef enum { MISSING, ERROR, HANG, DELAY, HOLD, FIELD_ERROR, FIELD_TYPE } RuleKind;
typedef struct {
    RuleKind kind;
    int gpu; /* NONE: every GPU */
    char function[FUNCTION_SIZE];
    int field;
    int number; /* a code, or milliseconds */
} Rule;
typedef enum { COMPUTE, GRAPHICS, MPS } ProcessKind;
typedef struct { int gpu; ProcessKind kind; ProcessInfo info; } Process;
typedef struct {
    unsigned gi, ci;
    char profile[32];
    uint64_t total, used;
    bool placed;
    unsigned number, start;
} Mig;
typedef struct { Device *device; unsigned id, profile, start, size; } InstanceInfo;
typedef struct { bool told, fills; unsigned size; char bytes[RAW_SIZE]; } Raw;
typedef struct {
    bool lost, mig_on, drifts, null, counts_migs, counts_processes;
    int twin;
    unsigned mig_max, processes_there, processes_filled, flood;
    Raw raw[RAW_COUNT];
    char name[NAME_SIZE], uuid[NAME_SIZE];
    uint64_t numbers[NUMBER_COUNT];
    Mig migs[MAX_MIG];
    int mig_count;
} Gpu;
typedef struct { int gpu; unsigned code; long long seq; bool delivered; } Xid;
typedef struct { int gpu, mig; } Target;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int init_count;
static char handles[MAX_GPUS][1 + MAX_MIG]; /* per GPU: its own handle, then its instances' */
static EventSet sets[MAX_SETS];
static Xid *xids; /* only ever grows: it is also the memory of which SEQs have been seen */
static size_t xid_count;

/* What the control file says; rebuilt from nothing each time that it changes. */
static Gpu gpus[MAX_GPUS];
static int gpu_count, init_code, all_code;
static long long said_count; /* NONE: the truth */
static char driver[NAME_SIZE];
static Rule rules[MAX_RULES];
static int rule_count;
static Process processes[MAX_PROCESSES];
static int process_count;

/* ---- The control file ---------------------------------------------------------------------- */

static void reset(void)
{
    gpu_count = 1;
    said_count = NONE;
    init_code = all_code = SUCCESS;
    rule_count = process_count = 0;
    strcpy(driver, DRIVER);
    for (int g = 0; g < MAX_GPUS; g++) {
#define X(key, value) [key] = (value),
        gpus[g] = (Gpu){.name = "NVIDIA H100 80GB HBM3", .numbers = {NUMBERS(X)}, .twin = NONE};
#undef X
        snprintf(gpus[g].uuid, NAME_SIZE, "GPU-00000000-0000-0000-0000-%012x", g);
    }
}

static void set_value(Gpu *gpu, const char *key, const char *value)
{
    if (strcmp(key, "name") == 0) /* the rest of the line: a name has spaces */
        snprintf(gpu->name, NAME_SIZE, "%s", value);
    else if (strcmp(key, "uuid") == 0)
        snprintf(gpu->uuid, NAME_SIZE, "%s", value);
    for (int n = 0; n < NUMBER_COUNT; n++)
        if (strcmp(key, number_names[n]) == 0)
            gpu->numbers[n] = strtoull(value, NULL, 0); /* base 0: bit masks in hexadecimal */
}

static void set_raw(Gpu *gpu, const char *key, const char *hex)
{
    static const char *const keys[] = {"name", "uuid", "bus", "driver"};
    for (int k = 0; k < RAW_COUNT; k++) {
        Raw *raw = &gpu->raw[k];
        unsigned byte;
        if (strcmp(key, keys[k]) != 0)
            continue;
        *raw = (Raw){.told = true};
        for (; raw->size < RAW_SIZE && sscanf(hex, "%2x", &byte) == 1; hex += 2)
            raw->bytes[raw->size++] = (char)byte;
        raw->fills = *hex == '*';
    }
}

static void add_rule(Rule rule)
{
    if (rule_count < MAX_RULES)
        rules[rule_count++] = rule;
}

static void add_process(int gpu, const char *text)
{
    static const char *const kinds[] = {"compute", "graphics", "mps"};
    char kind[16], bytes[32];
    Process process = {.gpu = gpu, .info = {.gi = UINT32_MAX, .ci = UINT32_MAX}};
    ProcessInfo *info = &process.info;
    if (sscanf(text, "%15s %u %31s %u %u", kind, &info->pid, bytes, &info->gi, &info->ci) < 3)
        return;
    info->bytes = strtoull(bytes, NULL, 0); /* -1 wraps to NVML_VALUE_NOT_AVAILABLE, as meant */
    for (int k = COMPUTE; k <= MPS; k++)
        if (strcmp(kind, kinds[k]) == 0 && process_count < MAX_PROCESSES) {
            process.kind = (ProcessKind)k;
            processes[process_count++] = process;
        }
}

static void add_xid(int first, int last, const char *text)
{
    unsigned code;
    long long seq;
    if (sscanf(text, "%u %lld", &code, &seq) != 2)
        return;
    for (size_t x = 0; x < xid_count; x++)
        if (xids[x].seq == seq)
            return;
    Xid *grown = realloc(xids, (xid_count + (size_t)(last - first) + 1) * sizeof *xids);
    if (grown == NULL)
        abort();
    xids = grown;
    for (int g = first; g <= last; g++)
        xids[xid_count++] = (Xid){.gpu = g, .code = code, .seq = seq};
}

static void add_mig(Gpu *gpu, const char *text)
{
    Mig mig;
    unsigned long long total, used;
    gpu->mig_on = true;
    const int count = sscanf(text, "%u %u %31s %llu %llu %u %u", &mig.gi, &mig.ci, mig.profile,
                             &total, &used, &mig.number, &mig.start);
    if (count < 5)
        return;
    mig.placed = count == 7;
    mig.total = total;
    mig.used = used;
    if (gpu->mig_count < MAX_MIG)
        gpu->migs[gpu->mig_count++] = mig;
}

/* The statements that name no GPU. */
static bool parse_global(const char *verb, const char *word)
{
    if (strcmp(verb, "gpus") == 0) {
        const int count = atoi(word);
        gpu_count = count < 0 ? 0 : count > MAX_GPUS ? MAX_GPUS : count;
    } else if (strcmp(verb, "count") == 0) {
        said_count = atoll(word);
    } else if (strcmp(verb, "driver") == 0) {
        snprintf(driver, NAME_SIZE, "%s", word);
    } else if (strcmp(verb, "kernel") == 0) {
        init_code = all_code = strcmp(word, DRIVER) == 0 ? SUCCESS : LIB_RM_VERSION_MISMATCH;
    } else if (strcmp(verb, "init") == 0) {
        init_code = atoi(word);
    } else if (strcmp(verb, "all") == 0) {
        all_code = atoi(word);
    } else if (strcmp(verb, "missing") == 0) {
        Rule rule = {.kind = MISSING, .gpu = NONE};
        snprintf(rule.function, FUNCTION_SIZE, "%.63s", word);
        add_rule(rule);
    } else {
        return false;
    }
    return true;
}

static void parse_line(const char *line)
{
    static const struct { const char *verb; RuleKind kind; int words; } rule_verbs[] = {
        {"hang", HANG, 1}, {"delay", DELAY, 2}, {"hold", HOLD, 2},
        {"error", ERROR, 2}, {"field_error", FIELD_ERROR, 2}, {"field_type", FIELD_TYPE, 2},
    };
    char verb[16], word[NAME_SIZE], *stop;
    int rest_at = (int)strlen(line);
    if (sscanf(line, "%15s %95s %n", verb, word, &rest_at) < 2 || parse_global(verb, word))
        return;
    const bool every = strcmp(word, "*") == 0;
    const long gpu = every ? NONE : strtol(word, &stop, 10);
    if (!every && (*stop != '\0' || gpu < 0 || gpu >= MAX_GPUS))
        return;
    const int first = every ? 0 : (int)gpu, last = every ? MAX_GPUS - 1 : (int)gpu;

    const char *rest = line + rest_at;
    int value_at = (int)strlen(rest);
    Rule rule = {.gpu = (int)gpu};
    const int words = sscanf(rest, "%63s %n%d", rule.function, &value_at, &rule.number);
    rule.field = atoi(rule.function);
    for (size_t v = 0; v < COUNT(rule_verbs); v++)
        if (strcmp(verb, rule_verbs[v].verb) == 0 && words >= rule_verbs[v].words) {
            rule.kind = rule_verbs[v].kind;
            add_rule(rule);
        }
    if (strcmp(verb, "process") == 0)
        add_process((int)gpu, rest);
    if (strcmp(verb, "xid") == 0)
        add_xid(first, last, rest);
    for (int g = first; g <= last; g++) {
        if (strcmp(verb, "lost") == 0)
            gpus[g].lost = true;
        if (strcmp(verb, "drift") == 0)
            gpus[g].drifts = true;
        if (strcmp(verb, "null") == 0)
            gpus[g].null = true;
        if (strcmp(verb, "twin") == 0)
            gpus[g].twin = atoi(rest);
        if (strcmp(verb, "flood") == 0)
            gpus[g].flood = (unsigned)atoi(rest);
        if (strcmp(verb, "raw") == 0)
            set_raw(&gpus[g], rule.function, rest + value_at);
        if (strcmp(verb, "mig_count") == 0)
            gpus[g].counts_migs = sscanf(rest, "%u", &gpus[g].mig_max) == 1;
        if (strcmp(verb, "process_count") == 0)
            gpus[g].counts_processes = sscanf(rest, "%u %u", &gpus[g].processes_there,
                                              &gpus[g].processes_filled) == 2;
        if (strcmp(verb, "mig") == 0)
            add_mig(&gpus[g], rest);
        if (strcmp(verb, "set") == 0 && words >= 1)
            set_value(&gpus[g], rule.function, rest + value_at);
    }
}

/* Looked at before every call and on every turn of a wait, so that a test needs no signal. */
static void reload(void)
{
    static struct stat loaded;
    static bool ready;
    struct stat now = {0};
    const char *path = getenv("FAKE_NVML_CONTROL");
    if (path == NULL || stat(path, &now) != 0)
        now = (struct stat){0};
    if (ready && now.st_dev == loaded.st_dev && now.st_ino == loaded.st_ino &&
        now.st_size == loaded.st_size && now.st_mtim.tv_sec == loaded.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == loaded.st_mtim.tv_nsec)
        return;
    FILE *file = now.st_ino == 0 ? NULL : fopen(path, "re");
    /* The file may have been replaced since: remember the one that is read. */
    if (file == NULL || fstat(fileno(file), &now) != 0)
        now = (struct stat){0};
    loaded = now;
    ready = true;
    reset();
    if (file == NULL)
        return;
    char line[512];
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        parse_line(line);
    }
    fclose(file);
}

/* ---- What every call goes through ---------------------------------------------------------- */

static int enter(void)
{
    pthread_mutex_lock(&lock);
    reload();
    return 0;
}

static void leave(const int *held)
{
    (void)held;
    pthread_mutex_unlock(&lock);
}

static void sleep_ms(long ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0)
        continue; /* a signal woke it */
}

/* Lets the other threads in meanwhile: one blocked call must not block the rest. */
static void pause_ms(long ms)
{
    pthread_mutex_unlock(&lock);
    sleep_ms(ms);
    pthread_mutex_lock(&lock);
    reload();
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* One write per line, so that threads and processes do not mix theirs. */
static void append_call(const char *format, ...)
{
    const char *path = getenv("FAKE_NVML_CALLS");
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
    const int file = path == NULL ? -1 : open(path, flags, 0644);
    if (file < 0)
        return;
    char line[FUNCTION_SIZE + 32];
    va_list values;
    va_start(values, format);
    const int size = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (write(file, line, (size_t)size) < 0)
        perror("FAKE_NVML_CALLS");
    close(file);
}

static bool heeds(const Rule *rule, RuleKind kind, const char *function, int gpu)
{
    const bool named = strcmp(rule->function, function) == 0;
    if (rule->kind != kind || !(named || strcmp(rule->function, "*") == 0))
        return false;
    return rule->gpu == NONE || rule->gpu == gpu || (gpu == NONE && named);
}

static const Rule *find_rule(RuleKind kind, const char *function, int gpu)
{
    for (int r = rule_count - 1; r >= 0; r--) /* backwards: the last line wins */
        if (heeds(&rules[r], kind, function, gpu))
            return &rules[r];
    return NULL;
}

/* What the control file has in store for this call, before it does its own work. */
static int gate(const char *function, int gpu)
{
    const bool is_init = strncmp(function, "nvmlInit", 8) == 0;
    const bool is_shutdown = strcmp(function, "nvmlShutdown") == 0;
    if (gpu == NONE)
        append_call("%s -\n", function);
    else
        append_call("%s %d\n", function, gpu);

    if (find_rule(MISSING, function, NONE) != NULL)
        return FUNCTION_NOT_FOUND;
    if (!is_init && init_count == 0)
        return UNINITIALIZED;
    long delay = 0;
    for (int r = 0; r < rule_count; r++)
        if (heeds(&rules[r], DELAY, function, gpu))
            delay += rules[r].number;
    if (delay > 0)
        pause_ms(delay);
    const Rule *hold = find_rule(HOLD, function, gpu);
    if (hold != NULL)
        sleep_ms(hold->number);
    while (find_rule(HANG, function, gpu) != NULL)
        pause_ms(POLL_MS);

    if (!is_init && init_count == 0)
        return UNINITIALIZED; /* shut down by another thread while this one slept */
    if (all_code != SUCCESS && !is_init && !is_shutdown)
        return all_code;
    if (gpu != NONE && gpus[gpu].lost)
        return GPU_IS_LOST;
    const Rule *error = find_rule(ERROR, function, gpu);
    return error == NULL ? SUCCESS : error->number;
}

static Device *handle_of(int gpu, int mig)
{
    return (Device *)&handles[gpu][1 + mig];
}

static Target target_of(const Device *device)
{
    const uintptr_t offset = (uintptr_t)device - (uintptr_t)handles; /* below it: wraps to huge */
    if (offset >= sizeof handles)
        return (Target){NONE, NONE};
    return (Target){(int)(offset / sizeof handles[0]), (int)(offset % sizeof handles[0]) - 1};
}

static int gate_device(const char *function, Target at, bool takes_mig)
{
    const int code = gate(function, at.gpu);
    if (code != SUCCESS)
        return code;
    if (at.gpu == NONE)
        return INVALID_ARGUMENT;
    if (at.gpu >= gpu_count)
        return GPU_IS_LOST; /* a handle from before the count went down */
    if (at.mig >= gpus[at.gpu].mig_count)
        return INVALID_ARGUMENT; /* an instance that has been destroyed */
    return at.mig != NONE && !takes_mig ? NOT_SUPPORTED : SUCCESS;
}

/* How a call begins. The lock is held until it returns, whichever way it does. */
#define LOCKED const int held __attribute__((cleanup(leave), unused)) = enter()
#define GATE(check)                                                                               \
    const int refused = (check);                                                                  \
    if (refused != SUCCESS)                                                                       \
        return refused
#define SYSTEM                                                                                    \
    LOCKED;                                                                                       \
    GATE(gate(__func__, NONE))
#define DEVICE(takes_mig)                                                                         \
    LOCKED;                                                                                       \
    const Target at = target_of(device);                                                          \
    GATE(gate_device(__func__, at, takes_mig));                                                   \
    const Gpu *const gpu __attribute__((unused)) = &gpus[at.gpu];                                 \
    const Mig *const mig __attribute__((unused)) = at.mig == NONE ? NULL : &gpu->migs[at.mig]
#define ANY DEVICE(true)  /* `mig` is its instance, NULL for a whole GPU */
#define GPU DEVICE(false) /* a handle of a MIG instance is not supported */
#define REQUIRE(condition, code)                                                                  \
    if (!(condition))                                                                             \
        return code
/* A call that is only a few statements: its name, how it begins, its arguments, the statements. */
#define CALL(function, begins, arguments, ...)                                                    \
    int function arguments                                                                        \
    {                                                                                             \
        begins;                                                                                   \
        __VA_ARGS__;                                                                              \
        return SUCCESS;                                                                           \
    }

static int copy_text(char *to, unsigned size, const char *text)
{
    REQUIRE(strlen(text) < size, INSUFFICIENT_SIZE);
    strcpy(to, text);
    return SUCCESS;
}

static int copy_raw(char *to, unsigned size, const Raw *raw)
{
    for (unsigned b = 0; b < size; b++)
        if (b < raw->size || raw->fills)
            to[b] = raw->bytes[b < raw->size ? b : raw->size - 1];
        else
            to[b] = 0;
    return SUCCESS;
}

/* ---- Library and system -------------------------------------------------------------------- */

static int initialise(const char *function)
{
    LOCKED;
    GATE(gate(function, NONE));
    init_count += init_code == SUCCESS;
    return init_code;
}

int nvmlInitWithFlags(unsigned flags)
{
    (void)flags;
    return initialise(__func__);
}

int nvmlInit_v2(void)
{
    return initialise(__func__);
}

CALL(nvmlShutdown, SYSTEM, (void), if (--init_count == 0) memset(sets, 0, sizeof sets))

/* Needs no initialisation and is never refused: it is what a refusal is reported with. */
const char *nvmlErrorString(int code)
{
    append_call("nvmlErrorString -\n");
#define X(name, number, text) if (code == number) return text;
    CODES(X)
#undef X
    return "Unknown Error";
}

CALL(nvmlSystemGetDriverVersion, SYSTEM, (char *version, unsigned size),
     return gpus[0].raw[RAW_DRIVER].told ? copy_raw(version, size, &gpus[0].raw[RAW_DRIVER])
                                         : copy_text(version, size, driver))
CALL(nvmlSystemGetNVMLVersion, SYSTEM, (char *version, unsigned size),
     return copy_text(version, size, "12.570"))
CALL(nvmlSystemGetCudaDriverVersion, SYSTEM, (int *version), *version = 12080)
CALL(nvmlSystemGetCudaDriverVersion_v2, SYSTEM, (int *version), *version = 12080)

/* ---- Devices and what they are ------------------------------------------------------------- */

static void uuid_of(Target at, char uuid[NAME_SIZE])
{
    const Gpu *gpu = &gpus[at.gpu];
    const Mig *mig = &gpu->migs[at.mig == NONE ? 0 : at.mig];
    if (at.mig == NONE)
        memcpy(uuid, gpu->uuid, NAME_SIZE);
    else /* from its ids and not its place, so that it keeps it when others come and go */
        snprintf(uuid, NAME_SIZE, "MIG-00000000-0000-%04x-%04x-%012x", at.gpu, mig->gi, mig->ci);
}

static Target find_uuid(const char *uuid)
{
    char own[NAME_SIZE];
    for (int g = 0; g < gpu_count; g++)
        for (int m = NONE; m < gpus[g].mig_count; m++) {
            uuid_of((Target){g, m}, own);
            if (strcmp(uuid, own) == 0)
                return (Target){g, m};
        }
    return (Target){NONE, NONE};
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device **device)
{
    LOCKED;
    GATE(gate(__func__, index < MAX_GPUS ? (int)index : NONE));
    REQUIRE(index < (unsigned)gpu_count, INVALID_ARGUMENT);
    const Gpu *gpu = &gpus[index];
    *device = gpu->null ? NULL : handle_of(gpu->twin == NONE ? (int)index : gpu->twin, NONE);
    return SUCCESS;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Device **device)
{
    LOCKED;
    GATE(gate(__func__, find_uuid(uuid).gpu));
    const Target at = find_uuid(uuid); /* again: the gate may have slept */
    REQUIRE(at.gpu != NONE, NOT_FOUND);
    *device = handle_of(at.gpu, at.mig);
    return SUCCESS;
}

CALL(nvmlDeviceGetCount_v2, SYSTEM, (unsigned *count), 
     *count = said_count == NONE ? (unsigned)gpu_count : (unsigned)said_count)
CALL(nvmlDeviceGetName, ANY, (Device *device, char *name, unsigned size),
     REQUIRE(!gpu->raw[RAW_NAME].told, copy_raw(name, size, &gpu->raw[RAW_NAME]));
     char text[NAME_SIZE + 40];
     snprintf(text, sizeof text, "%s%s%s", gpu->name, mig ? " MIG " : "", mig ? mig->profile : "");
     return copy_text(name, size, text))
CALL(nvmlDeviceGetUUID, ANY, (Device *device, char *uuid, unsigned size),
     REQUIRE(!gpu->raw[RAW_UUID].told, copy_raw(uuid, size, &gpu->raw[RAW_UUID]));
     char own[NAME_SIZE];
     uuid_of(at, own);
     return copy_text(uuid, size, own))
CALL(nvmlDeviceGetIndex, ANY, (Device *device, unsigned *index),
     *index = (unsigned)(mig ? at.mig : at.gpu))
CALL(nvmlDeviceGetPciInfo_v3, ANY, (Device *device, PciInfo *pci),
     *pci = (PciInfo){.bus = (unsigned)at.gpu + 1, .device_id = 0x233010DE};
     pci->subsystem_id = 0x16C110DE;
     snprintf(pci->bus_id_legacy, sizeof pci->bus_id_legacy, "0000:%02X:00.0", pci->bus & 0xFF);
     snprintf(pci->bus_id, sizeof pci->bus_id, "00000000:%02X:00.0", pci->bus & 0xFF);
     if (gpu->raw[RAW_BUS].told)
         copy_raw(pci->bus_id, sizeof pci->bus_id, &gpu->raw[RAW_BUS]))

/* ---- Readings ------------------------------------------------------------------------------ */

/* How the numbers of a drifting GPU move: so much a millisecond, and by less than `swing`. */
static const struct { int key; uint64_t per_ms, swing; } drifts[] = {
    {utilization, 0, 50},          {memory_utilization, 0, 40},  {power_mw, 0, 300000},
    {temperature, 0, 20},          {memory_temperature, 0, 20},  {sm_clock, 0, 200},
    {graphics_clock, 0, 200},      {video_clock, 0, 100},        {memory_used, 0, GIB},
    {energy_mj, 300, 100},         {pcie_tx, 1 << 20, 4096},     {pcie_rx, 1 << 20, 4096},
    {nvlink_tx, 1 << 14, 1024},    {nvlink_rx, 1 << 14, 1024},   {throttle_power_ns, 100000, 1},
};

static uint64_t number(const Gpu *gpu, int key)
{
    const uint64_t ms = (uint64_t)clock_us(CLOCK_MONOTONIC) / 1000 + (uint64_t)(gpu - gpus) * 7919;
    for (size_t d = 0; gpu->drifts && d < COUNT(drifts); d++)
        if (drifts[d].key == key)
            return gpu->numbers[key] + ms * drifts[d].per_ms + ms / 100 * 7919 % drifts[d].swing;
    return gpu->numbers[key];
}

#define READING(function, type, key)                                                              \
    CALL(function, GPU, (Device *device, type *value), *value = (type)number(gpu, key))
READING(nvmlDeviceGetMinorNumber, unsigned, minor_number)
READING(nvmlDeviceGetPowerUsage, unsigned, power_mw)
READING(nvmlDeviceGetEnforcedPowerLimit, unsigned, power_limit_mw)
READING(nvmlDeviceGetPowerManagementLimit, unsigned, power_limit_mw)
READING(nvmlDeviceGetPcieReplayCounter, unsigned, pcie_replay)
READING(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, energy_mj)
READING(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, clock_reasons)
READING(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, clock_reasons)

CALL(nvmlDeviceGetUtilizationRates, GPU, (Device *device, Utilization *rates),
     REQUIRE(!gpu->mig_on, NOT_SUPPORTED);
     rates->gpu = (unsigned)number(gpu, utilization);
     rates->memory = (unsigned)number(gpu, memory_utilization))
#define CODEC(function, key)                                                                      \
    CALL(function, GPU, (Device *device, unsigned *value, unsigned *period_us),                   \
         REQUIRE(!gpu->mig_on, NOT_SUPPORTED);                                                    \
         *value = (unsigned)number(gpu, key);                                                     \
         *period_us = 167000)
CODEC(nvmlDeviceGetEncoderUtilization, encoder)
CODEC(nvmlDeviceGetDecoderUtilization, decoder)

static MemoryV2 memory_of(const Gpu *gpu, const Mig *mig)
{
    MemoryV2 memory = {.version = MEMORY_V2,
                       .total = mig ? mig->total : number(gpu, memory_total),
                       .reserved = mig ? 0 : number(gpu, memory_reserved),
                       .used = mig ? mig->used : number(gpu, memory_used)};
    const unsigned long long taken = memory.reserved + memory.used;
    memory.free = memory.total > taken ? memory.total - taken : 0;
    return memory;
}

/* The first version has no `reserved`: the driver counts it as used. */
CALL(nvmlDeviceGetMemoryInfo, ANY, (Device *device, Memory *memory),
     const MemoryV2 all = memory_of(gpu, mig);
     *memory = (Memory){.total = all.total, .free = all.free, .used = all.used + all.reserved})
CALL(nvmlDeviceGetMemoryInfo_v2, ANY, (Device *device, MemoryV2 *memory),
     REQUIRE(memory->version == MEMORY_V2, ARGUMENT_VERSION_MISMATCH);
     *memory = memory_of(gpu, mig))

/* There is none: a board of a server has no fan of its own. */
CALL(nvmlDeviceGetFanSpeed, GPU, (Device *device, unsigned *percent),
     (void)percent;
     return NOT_SUPPORTED)
CALL(nvmlDeviceGetTemperature, GPU, (Device *device, int sensor, unsigned *value),
     REQUIRE(sensor == 0, INVALID_ARGUMENT);
     *value = (unsigned)number(gpu, temperature))
CALL(nvmlDeviceGetTemperatureV, GPU, (Device *device, Temperature *reading),
     REQUIRE(reading->version == TEMPERATURE_V1, ARGUMENT_VERSION_MISMATCH);
     REQUIRE(reading->sensor == 0, INVALID_ARGUMENT);
     reading->temperature = (int)number(gpu, temperature))
CALL(nvmlDeviceGetTemperatureThreshold, GPU, (Device *device, int threshold, unsigned *value),
     REQUIRE(threshold >= 0 && threshold <= 3, NOT_SUPPORTED);
     const unsigned limit = (unsigned)number(gpu, slowdown);
     /* shutdown, slowdown, memory, GPU */
     *value = (const unsigned[]){limit + 5, limit, 95, limit - 2}[threshold])
CALL(nvmlDeviceGetClockInfo, GPU, (Device *device, int type, unsigned *mhz),
     static const int keys[] = {graphics_clock, sm_clock, memory_clock, video_clock};
     REQUIRE(type >= 0 && type <= 3, INVALID_ARGUMENT);
     *mhz = (unsigned)number(gpu, keys[type]))
CALL(nvmlDeviceGetMaxClockInfo, GPU, (Device *device, int type, unsigned *mhz),
     static const int keys[] = {max_graphics_clock, max_sm_clock, max_memory_clock, max_video_clock};
     REQUIRE(type >= 0 && type <= 3, INVALID_ARGUMENT);
     *mhz = (unsigned)number(gpu, keys[type]))
CALL(nvmlDeviceGetTotalEccErrors, GPU,
     (Device *device, int error, int counter, unsigned long long *count),
     REQUIRE((error == 0 || error == 1) && (counter == 0 || counter == 1), INVALID_ARGUMENT);
     *count = number(gpu, error == 0 ? ecc_corrected : ecc_uncorrected))
CALL(nvmlDeviceGetRemappedRows, GPU,
     (Device *device, unsigned *correctable, unsigned *uncorrectable, unsigned *pending,
      unsigned *failure),
     REQUIRE(!gpu->mig_on, NOT_SUPPORTED);
     *correctable = (unsigned)number(gpu, remapped_correctable);
     *uncorrectable = (unsigned)number(gpu, remapped_uncorrectable);
     *pending = number(gpu, remapped_pending) != 0;
     *failure = number(gpu, remapped_failure) != 0)

/* As slow as the real one, which samples; the extra line tells on a caller that must not use it. */
CALL(nvmlDeviceGetPcieThroughput, GPU, (Device *device, int counter, unsigned *kb_per_second),
     append_call("pcie_throughput_called\n");
     REQUIRE(counter == 0 || counter == 1, INVALID_ARGUMENT);
     pause_ms(PCIE_SAMPLE_MS);
     *kb_per_second = 1024)

enum { UINT = 1, ULL = 3 }; /* nvmlValueType_t */
static const struct { uint32_t id; int type, key; } fields[] = {
    {3, ULL, ecc_corrected},             {4, ULL, ecc_uncorrected},
    {5, ULL, ecc_corrected},             {6, ULL, ecc_uncorrected},
    {74, ULL, throttle_power_ns},        {76, ULL, throttle_sync_boost_ns},
    {82, UINT, memory_temperature},      {83, ULL, energy_mj},
    {94, UINT, pcie_replay},             {138, ULL, nvlink_tx},
    {139, ULL, nvlink_rx},               {142, UINT, remapped_correctable},
    {143, UINT, remapped_uncorrectable}, {144, UINT, remapped_pending},
    {145, UINT, remapped_failure},       {185, UINT, power_mw},
    {190, UINT, power_limit_mw},         {197, ULL, pcie_tx},
    {198, ULL, pcie_rx},                 {269, ULL, throttle_sw_thermal_ns},
    {270, ULL, throttle_hw_thermal_ns},  {271, ULL, throttle_power_brake_ns},
};

static void fill_field(const Gpu *gpu, int index, FieldValue *value)
{
    value->timestamp = clock_us(CLOCK_REALTIME);
    value->latency_us = 0;
    value->code = NOT_SUPPORTED;
    append_call("field %u %d\n", value->field, index);
    for (size_t f = 0; f < COUNT(fields); f++)
        if (fields[f].id == value->field) {
            value->code = SUCCESS;
            value->type = fields[f].type;
            if (value->type == UINT)
                value->value.ui = (unsigned)number(gpu, fields[f].key);
            else
                value->value.ull = number(gpu, fields[f].key);
        }
    for (int r = 0; r < rule_count; r++)
        if ((uint32_t)rules[r].field == value->field &&
            (rules[r].gpu == NONE || rules[r].gpu == index)) {
            if (rules[r].kind == FIELD_ERROR)
                value->code = rules[r].number;
            if (rules[r].kind == FIELD_TYPE)
                value->type = rules[r].number;
        }
}

CALL(nvmlDeviceGetFieldValues, GPU, (Device *device, int count, FieldValue *values),
     for (int v = 0; v < count; v++)
         fill_field(gpu, at.gpu, &values[v]))

/* ---- Processes ----------------------------------------------------------------------------- */

static int list(int gpu, const Mig *mig, ProcessKind kind, unsigned *count, ProcessInfo *infos)
{
    const unsigned room = *count;
    unsigned found = 0;
    if (gpus[gpu].counts_processes) {
        *count = room == 0 ? gpus[gpu].processes_there : gpus[gpu].processes_filled;
        return room == 0 && *count > 0 ? INSUFFICIENT_SIZE : SUCCESS;
    }
    for (int p = 0; p < process_count; p++) {
        const Process *process = &processes[p];
        if (process->kind != kind || (process->gpu != NONE && process->gpu != gpu) ||
            (mig && (process->info.gi != mig->gi || process->info.ci != mig->ci)))
            continue;
        if (found < room && infos != NULL)
            infos[found] = process->info;
        found++;
    }
    *count = found;
    REQUIRE(found <= room, INSUFFICIENT_SIZE);
    return infos == NULL && found > 0 ? INVALID_ARGUMENT : SUCCESS;
}

#define PROCESSES(function, kind)                                                                 \
    CALL(function, ANY, (Device *device, unsigned *count, ProcessInfo *infos),                    \
         return list(at.gpu, mig, kind, count, infos))
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, COMPUTE)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, GRAPHICS)
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, MPS)

/* ---- Events -------------------------------------------------------------------------------- */

static bool is_set(const EventSet *set)
{
    return set >= sets && set < sets + MAX_SETS && set->used;
}

static bool take_event(const EventSet *set, EventData *data)
{
    for (size_t x = 0; x < xid_count; x++)
        if (!xids[x].delivered && (set->types[xids[x].gpu] & EVENT_XID)) {
            xids[x].delivered = true;
            *data = (EventData){.device = handle_of(xids[x].gpu, NONE), .type = EVENT_XID,
                                .data = xids[x].code, .gi = UINT32_MAX, .ci = UINT32_MAX};
            return true;
        }
    return false;
}

static bool take_flood(const EventSet *set, EventData *data)
{
    for (int g = 0; g < MAX_GPUS; g++)
        if (gpus[g].flood != 0 && set->types[g] != 0) {
            *data = (EventData){.device = handle_of(g, NONE), .type = gpus[g].flood,
                                .data = UINT64_MAX, .gi = UINT32_MAX, .ci = UINT32_MAX};
            return true;
        }
    return false;
}

static bool has_lost(const EventSet *set)
{
    for (int g = 0; g < MAX_GPUS; g++)
        if (set->types[g] != 0 && (gpus[g].lost || g >= gpu_count))
            return true;
    return false;
}

CALL(nvmlEventSetCreate, SYSTEM, (EventSet **set),
     int s = 0;
     while (s < MAX_SETS && sets[s].used)
         s++;
     REQUIRE(s < MAX_SETS, INSUFFICIENT_RESOURCES);
     sets[s] = (EventSet){.used = true};
     *set = &sets[s])
CALL(nvmlEventSetFree, SYSTEM, (EventSet *set),
     REQUIRE(is_set(set), INVALID_ARGUMENT);
     set->used = false)
CALL(nvmlDeviceGetSupportedEventTypes, GPU, (Device *device, unsigned long long *types),
     *types = SUPPORTED_EVENTS)
CALL(nvmlDeviceRegisterEvents, GPU, (Device *device, unsigned long long types, EventSet *set),
     REQUIRE(is_set(set), INVALID_ARGUMENT);
     REQUIRE((types & ~SUPPORTED_EVENTS) == 0, NOT_SUPPORTED);
     set->types[at.gpu] |= types)

int nvmlEventSetWait_v2(EventSet *set, EventData *data, unsigned timeout_ms)
{
    SYSTEM;
    const int64_t deadline = clock_us(CLOCK_MONOTONIC) + (int64_t)timeout_ms * 1000;
    for (;;) {
        REQUIRE(init_count > 0, UNINITIALIZED); /* shut down by another thread meanwhile */
        REQUIRE(all_code == SUCCESS, all_code);
        REQUIRE(is_set(set), INVALID_ARGUMENT);
        if (take_event(set, data) || take_flood(set, data))
            return SUCCESS;
        REQUIRE(!has_lost(set), GPU_IS_LOST);
        const int64_t left_ms = (deadline - clock_us(CLOCK_MONOTONIC) + 999) / 1000;
        REQUIRE(left_ms > 0, TIMEOUT);
        pause_ms(left_ms < EVENT_POLL_MS ? left_ms : EVENT_POLL_MS);
    }
}

/* ---- MIG ----------------------------------------------------------------------------------- */

CALL(nvmlDeviceGetMigMode, GPU, (Device *device, unsigned *current, unsigned *pending),
     *current = *pending = gpu->mig_on)
CALL(nvmlDeviceGetMaxMigDeviceCount, GPU, (Device *device, unsigned *count),
     *count = gpu->counts_migs ? gpu->mig_max : !gpu->mig_on ? 0 : gpu->mig_count > 7 ? MAX_MIG : 7)
CALL(nvmlDeviceGetMigDeviceHandleByIndex, GPU,
     (Device *device, unsigned index, Device **instance),
     REQUIRE(index < (unsigned)gpu->mig_count, NOT_FOUND);
     *instance = gpu->null ? NULL : handle_of(at.gpu, (int)index))
CALL(nvmlDeviceGetGpuInstanceId, ANY, (Device *device, unsigned *id),
     REQUIRE(mig, INVALID_ARGUMENT);
     *id = mig->gi)
CALL(nvmlDeviceGetComputeInstanceId, ANY, (Device *device, unsigned *id),
     REQUIRE(mig, INVALID_ARGUMENT);
     *id = mig->ci)
/* A GPU instance's handle is that of its first compute instance. */
CALL(nvmlDeviceGetGpuInstanceById, GPU, (Device *device, unsigned id, Device **instance),
     int m = 0;
     while (m < gpu->mig_count && gpu->migs[m].gi != id)
         m++;
     REQUIRE(m < gpu->mig_count, NOT_FOUND);
     REQUIRE(gpu->migs[m].placed, NO_PERMISSION);
     *instance = handle_of(at.gpu, m))
CALL(nvmlGpuInstanceGetInfo, ANY, (Device *device, InstanceInfo *info),
     REQUIRE(mig, INVALID_ARGUMENT);
     *info = (InstanceInfo){handle_of(at.gpu, NONE), mig->gi, mig->number, mig->start, 1})
CALL(nvmlDeviceGetDeviceHandleFromMigDeviceHandle, ANY, (Device *device, Device **parent),
     REQUIRE(mig, INVALID_ARGUMENT);
     *parent = handle_of(at.gpu, NONE))
CALL(nvmlDeviceGetAttributes_v2, ANY, (Device *device, Attributes *attributes),
     REQUIRE(mig, NOT_SUPPORTED);
     unsigned gi = 1; /* in slices, of a profile such as 3g.40gb or 1c.3g.40gb */
     unsigned ci = 1;
     if (sscanf(mig->profile, "%uc.%ug.", &ci, &gi) != 2 && sscanf(mig->profile, "%ug.", &gi) == 1)
         ci = gi;
     *attributes = (Attributes){.multiprocessors = 16 * ci, .copy_engines = gi, .decoders = gi,
                                .jpegs = gi, .gi_slices = gi, .ci_slices = ci};
     attributes->memory_mb = mig->total / MIB)
