"""The methods text: one account of what is done, one set of sentences, one list of references.

``logs/CITATION.*`` says it of a run before it begins, a report of each session afterwards.
"""
