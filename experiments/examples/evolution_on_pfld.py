"""Run NNI's evolution on our search space within a latency limit, in this process (no manager, no web UI).

python experiments/examples/evolution_on_pfld.py data/106points
"""

import sys

import nni
from nni.nas.evaluator import FunctionalEvaluator
from nni.nas.experiment import NasExperiment
from nni.nas.experiment.config import NasExperimentConfig
from nni.nas.strategy import RegularizedEvolution
from nni.nas.strategy.middleware import Chain, Filter

from fbnet_pfld.evaluators import LandmarkDataset, TrainOptions, make_evaluator
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture, PfldSpace

BUDGET_US = 2200


def train(model, data_root):
    """Train one subnet from scratch for an epoch; NNI's NAS strategies maximise."""
    evaluator = make_evaluator(LandmarkDataset(data_root, "train"), TrainOptions(epochs=1), "runs/evolution", seed=0)
    evaluator.evaluate(model)
    nni.report_final_result(-float(evaluator.trainer.callback_metrics["val_nme"]))


space = PfldSpace("pfld")  # or the path of your own .yaml spec
table = LookupTable.load("snapdragon625-4t")
within = Filter(lambda model: table.latency_us(Architecture(space.spec, 106, 112, dict(model.sample or {}))) <= BUDGET_US)
strategy = Chain(RegularizedEvolution(population_size=3, sample_size=2, mutation_prob=0.2, seed=0), within)
config = NasExperimentConfig(execution_engine="sequential", model_format="simplified", max_trial_number=5)
experiment = NasExperiment(space, FunctionalEvaluator(train, data_root=sys.argv[1]), strategy, config)
experiment.run()
best = experiment.export_top_models(formatter="dict")[0]
Architecture(space.spec, 106, 112, dict(best)).save("output/evolved.json")
print("output/evolved.json:", best)
