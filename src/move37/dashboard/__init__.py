"""The local web page and its terminal twin. Reads memory, changes nothing, asks nobody outside."""
