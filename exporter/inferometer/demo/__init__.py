"""A fleet to try without any: GPUs, engines and a story in which things go wrong.

Nothing of it is reached but by the verb `demo`. The GPUs stand behind the driver's own functions,
the engines are HTTP servers on loopback, and all that reads them is the exporter as it is.
"""
