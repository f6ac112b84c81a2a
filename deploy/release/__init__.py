"""A release: what a tag is turned into, and what has to be so before it may be.

    python -m deploy.release VERSION --base-digest sha256:... --key KEY

`checks` lists what has to be so, `steps` what is made, in order; `places` knows where the version
stands, `hashes` pins what the image installs. Nothing is pushed: the last words are how to.
"""
