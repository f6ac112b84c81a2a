"""Lines of the page that are kept from one page to the next and made again only if they change.

`block.py`: what is kept, and what the guard notes on it. `columns.py`: makes and keeps it.
"""
