"""Why tumor cells survive therapy: counterfactuals of single cells, their table and figure."""
