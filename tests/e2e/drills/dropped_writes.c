/* What a disk has after a power failure: LD_PRELOAD this, and have DROPPED_WRITES name a folder
 * and, after a colon, a copy of it. What is written to a file of the folder reaches the copy only
 * once the file is synced; so after SIGKILL the copy lacks all that came after the last fsync.
 *
 * Names are durable at once. Of a file that ends in -shm there is no copy: SQLite makes it anew. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_FILES 64
#define MOST_HANDLES 4096

struct change { /* of a file; size < 0 is one of its length */
    off_t offset;
    ssize_t size;
    struct change *next;
    char bytes[];
};

struct file {
    char name[NAME_MAX + 1];
    int copy;
    struct change *first, **last;
};

static struct file files[MOST_FILES];
static struct file *of_handle[MOST_HANDLES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX], copies[PATH_MAX];

static void fail(const char *why)
{
    perror(why);
    abort(); /* a copy that is not right must not be taken for one that is */
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void)
{
    const char *both = getenv("DROPPED_WRITES");
    const char *colon = both ? strchr(both, ':') : NULL;

    if (colon && colon - both < PATH_MAX) {
        memcpy(folder, both, (size_t)(colon - both));
        snprintf(copies, sizeof copies, "%s", colon + 1);
    }
}

/* The name of a file in the folder that has a copy, or NULL. */
static const char *name_of(const char *path)
{
    size_t length = strlen(folder), all = strlen(path);

    if (!length || strncmp(path, folder, length) || path[length] != '/'
        || strchr(path + length + 1, '/') || (all > 4 && !strcmp(path + all - 4, "-shm")))
        return NULL;
    return path + length + 1;
}

static void copy_path(char *path, const char *name)
{
    if (snprintf(path, PATH_MAX, "%s/%s", copies, name) >= PATH_MAX)
        fail("the path of a copy");
}

static void forget(struct file *file)
{
    while (file->first) {
        struct change *next = file->first->next;
        free(file->first);
        file->first = next;
    }
    file->last = &file->first;
}

static void change(struct file *file, off_t offset, const void *bytes, ssize_t size)
{
    struct change *one = malloc(sizeof *one + (size_t)(size > 0 ? size : 0));

    if (!one)
        fail("malloc");
    one->offset = offset;
    one->size = size;
    one->next = NULL;
    if (size > 0)
        memcpy(one->bytes, bytes, (size_t)size);
    *file->last = one;
    file->last = &one->next;
}

/* Of this name, or one that has none yet. */
static struct file *find(const char *name)
{
    for (struct file *file = files; file < files + MOST_FILES; file++)
        if (!strcmp(file->name, name))
            return file;
    return NULL;
}

static void opened(int handle, const char *path, int flags)
{
    const char *name = handle >= 0 ? name_of(path) : NULL;
    char copy[PATH_MAX];

    if (!name)
        return;
    if (handle >= MOST_HANDLES)
        fail("too many handles");
    pthread_mutex_lock(&lock);
    struct file *file = find(name);
    if (!file) {
        file = find("");
        if (!file)
            fail("too many files");
        REAL(open64);
        copy_path(copy, name);
        snprintf(file->name, sizeof file->name, "%s", name);
        file->copy = real(copy, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file->copy < 0)
            fail(copy);
        file->last = &file->first;
    }
    of_handle[handle] = file;
    if (flags & O_TRUNC)
        change(file, 0, NULL, -1);
    pthread_mutex_unlock(&lock);
}

static struct file *file_of(int handle)
{
    return handle >= 0 && handle < MOST_HANDLES ? of_handle[handle] : NULL;
}

#define MODE \
    mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *path, int flags, ...)
{
    REAL(open);
    MODE
    int handle = real(path, flags, mode);
    opened(handle, path, flags);
    return handle;
}

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    MODE
    int handle = real(path, flags, mode);
    opened(handle, path, flags);
    return handle;
}

int close(int handle)
{
    REAL(close);
    if (file_of(handle))
        of_handle[handle] = NULL;
    return real(handle);
}

ssize_t write(int handle, const void *bytes, size_t size)
{
    REAL(write);
    struct file *file = file_of(handle);

    if (!file)
        return real(handle, bytes, size);
    pthread_mutex_lock(&lock);
    ssize_t done = real(handle, bytes, size);
    if (done > 0)
        change(file, lseek(handle, 0, SEEK_CUR) - done, bytes, done);
    pthread_mutex_unlock(&lock);
    return done;
}

static ssize_t written_at(ssize_t done, int handle, const void *bytes, off_t offset)
{
    struct file *file = file_of(handle);

    if (file && done > 0) {
        pthread_mutex_lock(&lock);
        change(file, offset, bytes, done);
        pthread_mutex_unlock(&lock);
    }
    return done;
}

ssize_t pwrite(int handle, const void *bytes, size_t size, off_t offset)
{
    REAL(pwrite);
    return written_at(real(handle, bytes, size, offset), handle, bytes, offset);
}

ssize_t pwrite64(int handle, const void *bytes, size_t size, off_t offset)
{
    REAL(pwrite64);
    return written_at(real(handle, bytes, size, offset), handle, bytes, offset);
}

static int cut(int failed, int handle, off_t length)
{
    struct file *file = file_of(handle);

    if (file && !failed) {
        pthread_mutex_lock(&lock);
        change(file, length, NULL, -1);
        pthread_mutex_unlock(&lock);
    }
    return failed;
}

int ftruncate(int handle, off_t length)
{
    REAL(ftruncate);
    return cut(real(handle, length), handle, length);
}

int ftruncate64(int handle, off_t length)
{
    REAL(ftruncate64);
    return cut(real(handle, length), handle, length);
}

static int synced(int failed, int handle)
{
    struct file *file = file_of(handle);

    if (!file || failed)
        return failed;
    pthread_mutex_lock(&lock);
    for (struct change *one = file->first; one; one = one->next) {
        REAL(pwrite64);
        if (one->size < 0 ? (ftruncate)(file->copy, one->offset)
                          : real(file->copy, one->bytes, (size_t)one->size, one->offset)
                                != one->size)
            fail(file->name);
    }
    forget(file);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int handle)
{
    REAL(fsync);
    return synced(real(handle), handle);
}

int fdatasync(int handle)
{
    REAL(fdatasync);
    return synced(real(handle), handle);
}

static void leave(struct file *file)
{
    for (int handle = 0; handle < MOST_HANDLES; handle++)
        if (of_handle[handle] == file)
            of_handle[handle] = NULL;
    close(file->copy);
    forget(file);
    file->name[0] = '\0';
}

int unlink(const char *path)
{
    REAL(unlink);
    int failed = real(path);
    const char *name = failed ? NULL : name_of(path);

    if (name) {
        char copy[PATH_MAX];
        copy_path(copy, name);
        pthread_mutex_lock(&lock);
        real(copy);
        struct file *file = find(name);
        if (file)
            leave(file);
        pthread_mutex_unlock(&lock);
    }
    return failed;
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    int failed = real(from, to);
    const char *before = failed ? NULL : name_of(from), *after = failed ? NULL : name_of(to);

    if (before && after) {
        char copy[PATH_MAX], copy_after[PATH_MAX];
        copy_path(copy, before);
        copy_path(copy_after, after);
        pthread_mutex_lock(&lock);
        struct file *replaced = find(after), *file = find(before);
        if (replaced)
            leave(replaced);
        if (real(copy, copy_after))
            fail(copy);
        if (file)
            snprintf(file->name, sizeof file->name, "%s", after);
        pthread_mutex_unlock(&lock);
    }
    return failed;
}
