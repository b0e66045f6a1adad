"""One training of a study: its settings and its result.

Not here: the sequence of trials (``study``).
"""

import statistics
from collections.abc import Callable
from time import perf_counter

from torch import Tensor

from actsearch.evaluators.activation import Activation
from actsearch.evaluators.contained import seed_every_generator
from actsearch.evaluators.layers import ActivationLayer
from actsearch.evaluators.looks.diagnostics import learning_curve
from actsearch.evaluators.outcome import CURVE, LEARNED, Outcome, Request, Status, noise_seed
from actsearch.evaluators.own.activation_class import made_of
from actsearch.evaluators.own.freshness import Freshness
from actsearch.evaluators.own.score_task import told
from actsearch.evaluators.own.user_code import number
from actsearch.evaluators.settings import CompleteSettings
from actsearch.grammar.fault import UserFault

RECENT = 20  # number of reports whose mean decides whether a trial is hopeless


class Trial:
    """One training that the study asks for.

    Attributes:
        activation: class of layers, called with channels and dimension; see ``evaluators.own.activation_class``.
        seed: seed of this training, for the global generators of torch, NumPy and Python when the trial begins.
        steps: length of the training, in the unit of ``Study(steps=...)``; higher rungs have more.
        test: whether to report a loss on held-out test data too; only on the final rung.
        stopped: whether the trial is hopeless, so that you may end its training.
    """

    def __init__(
        self, request: Request, activation: Activation, settings: CompleteSettings, finish: Callable[[Outcome], None]
    ) -> None:
        self.seed, self.steps, self.test = request.seed, request.steps, request.test
        self._freshness, self._settings, self._finish = Freshness(), settings, finish
        self.activation = made_of(activation, self._freshness)
        self._is_patient, self._losses, self._looked = request.patient, list[Tensor | float](), 0
        self.outcome: Outcome | None = None
        self.stopped, self._is_over, self._started = False, False, perf_counter()

    def report(self, step: int, loss: "Tensor | float") -> None:
        """Report the training loss of a step, for the learning curve and the check for hopeless trials (``stopped``).

        Args:
            step: number of the step, from 0.
            loss: training loss; it may stay on a GPU, and is read when the check is due (``task.stop_after``).

        Raises:
            UserFault: the loss is no number.
        """
        if isinstance(loss, Tensor) and loss.numel() != 1:
            raise UserFault(f"trial.report: expected a loss of one number, found a tensor {tuple(loss.shape)}")
        self._losses.append(loss.detach() if isinstance(loss, Tensor) else number(loss, "trial.report: a loss must be"))
        chance, after = self._settings.own.chance, round(self._settings.stop_after * self.steps)
        is_due = not self._looked and after >= RECENT and step + 1 >= after
        if is_due and chance is not None and not self._is_patient:
            self._looked = step + 1
            recent = statistics.fmean(map(float, self._losses[-RECENT:]))
            self.stopped = not recent <= self._settings.stop_above * chance  # true for NaN too

    def done(self, validation: "Tensor | float", test: "Tensor | float | None" = None, **metrics: float) -> None:
        """Report the result of the training.

        Args:
            validation: loss on held-out data, which chooses between candidates; lower is better, or higher if the study
                says so.
            test: loss on data that choose nothing, stored only if ``trial.test`` is set; without it, the answer makes
                no claim about test data.
            metrics: further numbers to store.

        Raises:
            UserFault: a value is no number, or the trial was done before.
        """
        self._check_open()
        values = {"validation": validation} | ({} if test is None else {"test": test}) | metrics
        numbers = {name: number(value, f"trial.done: '{name}' must be") for name, value in values.items()}
        seconds, by = perf_counter() - self._started, "trial.done was told"
        self._end(told(
            numbers, self._settings.own.sign, seconds, test=self.test, had_no_part=self._freshness.had_no_part, by=by,
            diagnostics=self._diagnostics(), chance=self._settings.own.chance,
        ))  # fmt: skip

    def failed(self, reason: str) -> None:
        """Report that the training gave no score.

        Args:
            reason: why the training gave no score.

        Raises:
            UserFault: the trial was done before.
        """
        self._check_open()
        seconds = perf_counter() - self._started
        self._end(Outcome(Status.CRASHED, reason=str(reason), seconds=seconds, trained_by="own"))

    def _end(self, outcome: Outcome) -> None:
        """Store the outcome at once, so that nothing that happens later can lose it."""
        self._finish(outcome)
        self.outcome = outcome

    def _check_open(self) -> None:
        if self.outcome is not None:
            raise UserFault("this trial is done already")
        if self._is_over:
            raise UserFault("this trial is over: its loop was left, and it is given to the next one that asks")

    def _diagnostics(self) -> dict[str, list[float]]:
        layers = [layer for layer in self.activation.layers if isinstance(layer, ActivationLayer)]
        learned = [value for layer in layers for value in layer.summary()]
        curve = learning_curve([float(loss) for loss in self._losses])
        return ({CURVE: curve} if curve else {}) | ({LEARNED: learned} if learned else {})

    def __enter__(self) -> "Trial":
        """Begin the trial: seed every generator, and watch that the network has fresh weights."""
        seed_every_generator(noise_seed(self.seed))
        self._freshness.__enter__()
        self._started = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        """End the trial; a stopped one without a result is stored as hopeless."""
        self._freshness.__exit__()
        self._is_over = True
        if self.outcome is None and self.stopped:
            reason = f"stopped after {self._looked} steps: hopeless by its training loss"
            seconds = perf_counter() - self._started
            self._end(Outcome(Status.STOPPED, reason=reason, seconds=seconds, trained_by="own"))
