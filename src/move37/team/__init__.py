"""Who proposes, repairs, explains and judges: four roles, each symbolic or a language model."""
