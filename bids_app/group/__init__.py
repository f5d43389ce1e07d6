"""The group level: tables and a page over all sessions, from derivatives and the ages in the raw data set."""
