"""Why no plan can keep the rules, in the planner's words, and the cheapest ways to mend that."""
