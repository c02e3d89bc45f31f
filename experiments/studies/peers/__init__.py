"""Networks of others, trained and measured as ours are: timm's small networks, the baselines, and the original PFLD."""
