"""The page of results, `docs/results.md`: its words are written by hand, its tables are made of the result files.

sections   which files a table is made of, and by which code they were made
tables     the tables that no benchmark prints itself
origin     date, machine, versions and command, as far as the files have them; what is older than its code
"""
