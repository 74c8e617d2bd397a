"""What a campaign amounts to, for people: the report, folded from the ledger's events.

Read `report.py` first; `story.py` is the fold, `findings.py` and `lessons.py` the tables,
`charts.py` and `ancestry.py` the pictures. Reads events and writes two files; decides nothing.
"""
