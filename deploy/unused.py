"""Metrics that no rule, alert or board reads, and why they are said all the same."""

from inferometer import catalogue as c

_ONE_GPU = "It is asked of one GPU, once its board has shown which."

UNUSED = {
    c.GPU_MIG_INFO: "It joins an instance to its profile in questions of one's own.",
    c.GPU_LAST_SAMPLE: "gpu_up is 0 once a sample is old.",
    c.GPU_UTILIZATION: "It is the driver's last moment; busy seconds are the whole time.",
    c.GPU_MEMORY_UTILIZATION: _ONE_GPU,
    c.GPU_ENCODER_UTILIZATION: "Inference of language models encodes no video.",
    c.GPU_DECODER_UTILIZATION: "Inference of language models decodes no video.",
    c.GPU_PROCESS_MEMORY: _ONE_GPU,
    c.GPU_PROCESSES: _ONE_GPU,
    c.GPU_POWER_LIMIT: "Throttling by power_cap says when it is reached.",
    c.GPU_MEMORY_TEMPERATURE: "Throttling by temperature says when it is too high.",
    c.GPU_SLOWDOWN: "Throttling by temperature says when it is reached.",
    c.GPU_CLOCK: "Throttled seconds say when and why it is low.",
    c.GPU_REMAPPED: "A remapping that waits or has failed asks for something; one done does not.",
    c.GPU_PCIE: _ONE_GPU,
    c.GPU_NVLINK: _ONE_GPU,
    c.SERVER_HTTP: "Requests are judged by their outcome, for which engines have finer sources.",
    c.GPU_PRICE: "What is spent has been reckoned with it.",
    c.CONFIG_RELOADS: "Whether the last one succeeded is what counts.",
    c.CONFIG_RELOAD_TIME: "Whether the last one succeeded is what counts.",
}
