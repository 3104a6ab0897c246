"""Your own objective: the accuracy of a convolutional network on time series."""

import io
from typing import Annotated

from pydantic import Field

from hpo.contract import Objective, ObjectiveParams, Outcome, Progress, Protocol
from hpo.objectives.data import TASKS, load
from hpo.objectives.randomness import stream


class ConvParams(ObjectiveParams):
    """Parameters that a study may fix or search, besides ``epochs``."""

    width: Annotated[
        int, Field(ge=1, le=512, description="channels of the convolution")
    ] = 16
    kernel: Annotated[
        int, Field(ge=1, le=63, description="input points of the convolution")
    ] = 9
    lr: Annotated[float, Field(gt=0, le=1, description="learning rate of Adam")] = 0.01
    batch_size: Annotated[
        int, Field(ge=1, le=10_000, description="series per update")
    ] = 60


class ConvObjective(Objective):
    """Trains one network from one seed: a convolution, a pooling, a linear layer."""

    name = "conv"
    Params = ConvParams
    tasks = TASKS

    def evaluate(self, params, *, task, protocol, member_seed, on_epoch, resume=None):
        """Train and score one network."""
        import torch  # imported here, so that `hpo` need not load it
        from torch import nn

        split = load(task, protocol=protocol, member_seed=member_seed)
        x = torch.from_numpy(split.train.x).mT
        label = torch.from_numpy(split.train.label)
        torch.manual_seed(member_seed)
        conv = nn.Conv1d(split.n_channels, params.width, params.kernel, padding="same")
        readout = nn.Linear(8 * params.width, split.n_classes)
        network = nn.Sequential(
            conv, nn.ReLU(), nn.AdaptiveAvgPool1d(8), nn.Flatten(), readout
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=params.lr)
        epoch = 0
        curve = []
        norms = []
        if resume is not None:
            weights, moments, epoch, curve, norms = torch.load(io.BytesIO(resume))
            network.load_state_dict(weights)
            optimizer.load_state_dict(moments)

        def checkpoint():
            state = network.state_dict(), optimizer.state_dict(), epoch, curve, norms
            file = io.BytesIO()
            torch.save(state, file)
            return file.getvalue()

        def accuracy():
            predicted = network(torch.from_numpy(split.score.x).mT).argmax(1)
            right = predicted == torch.from_numpy(split.score.label)
            return right.double().mean().item()

        while epoch < params.epochs:
            random = stream(member_seed, f"batch order/{epoch}")
            order = random.permutation(len(split.train))
            for batch in torch.from_numpy(order).split(params.batch_size):
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(x[batch]), label[batch]).backward()
                optimizer.step()
            epoch += 1
            score = None
            if protocol is not Protocol.CONFIRM:
                score = accuracy()
                curve.append(score)
            norms.append(readout.weight.norm().item())
            on_epoch(Progress(epoch=epoch, score=score, checkpoint=checkpoint))
        score = curve[-1] if curve else accuracy()
        return Outcome(
            score=score, curve=tuple(curve), per_epoch={"readout_norm": norms}
        )
