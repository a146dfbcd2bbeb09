"""Who descends from whom: trees and clones of a run, drawn and written."""
