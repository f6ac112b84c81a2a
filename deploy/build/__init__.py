"""From definitions to files: `proofs` say what must hold of them, `writers` what becomes of them.

`python -m deploy.build` proves the definitions and writes deploy/generated/.
"""
