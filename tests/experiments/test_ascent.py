"""Gradient ascent: known answers on linear networks, independence of the batch, resuming, and the command line."""

import itertools
import json
import shlex

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from scipy.special import softmax

import neatfool as nf
from neatfool.cli import run as run_cli
from neatfool.experiments.ascent import PRESETS, AscentSettings, ascend, resume_ascent
from neatfool.experiments.ascent.fourier import Fourier
from neatfool.experiments.ascent.regularisers import blur, regularise, total_variation_gradient

SIDE = 6
MEAN = 120.0


class Linear(torch.nn.Module):
    """Logits are a linear map of the normalised pixels."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(
            torch.randn(n_classes, channels * SIDE * SIDE, generator=torch.Generator().manual_seed(1))
        )

    def forward(self, x):
        return x.flatten(1) @ self.weight.T


class Curved(torch.nn.Module):
    """Random rectified features, which make the gradient depend on the image."""

    def __init__(self, channels: int = 3, n_classes: int = 7) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.first = torch.nn.Parameter(torch.randn(channels * SIDE * SIDE, 40, generator=generator) / 4)
        self.second = torch.nn.Parameter(torch.randn(40, n_classes, generator=generator))

    def forward(self, x):
        return torch.relu(x.flatten(1) @ self.first) @ self.second


def classifier(module=Linear, channels: int = 1, n_classes: int = 4, **options) -> nf.Classifier:
    options = {"mean": [MEAN / 255] * channels, "std": [0.25] * channels, "chunk": 4} | options
    return nf.Classifier(
        module(channels, n_classes), input_size=SIDE, channels=channels, name="small", device="cpu", **options
    )


def curved(**options) -> nf.Classifier:
    return classifier(Curved, channels=3, n_classes=7, **options)


def slope(net: nf.Classifier, index: int) -> np.ndarray:
    """The exact gradient of a linear network's logit with respect to pixels in [0, 255]."""
    weight = net.module.weight.detach().double().numpy()[index]
    return weight.reshape(net.channels, SIDE, SIDE) / 255 / 0.25


def first_step(net: nf.Classifier, index: int = 2, **options) -> tuple[np.ndarray, np.ndarray]:
    """What the network saw before and after one step, which starts from the mean, a whole number in every pixel."""
    seen = []
    logits = net.logits
    net.logits = lambda x: seen.append(x.detach().clone()) or logits(x)
    ascend(net, classes=[index], settings=AscentSettings(start="mean", steps=1, all_steps=True, **options))
    return seen[0][0].numpy(), seen[1][0].numpy()


def confidence(net: nf.Classifier, image: np.ndarray, index: int) -> float:
    """The confidence, from scratch, in double precision."""
    pixels = (image.astype(np.float64) / 255 - np.array(net.mean)[:, None, None]) / np.array(net.std)[:, None, None]
    return float(softmax(net.module.weight.detach().double().numpy() @ pixels.ravel())[index])


class TestSteps:
    def test_progress_on_the_logit(self):
        """lr = early / |g|²: a linear logit grows by exactly early_progress, before clipping and rounding."""
        net = classifier()
        start, after = first_step(net, objective="logit", early_progress=20.0)
        gradient = slope(net, 2)
        expected = start + 20 / (gradient**2).sum() * gradient
        assert expected.min() > 0
        assert expected.max() < 255
        assert np.array_equal(after, np.round(expected.astype(np.float32)))
        assert ((expected - start) * gradient).sum() == pytest.approx(20)

    @pytest.mark.parametrize(("early", "late"), [(0.02, 10.0), (10.0, 0.2)])
    def test_progress_on_the_probability(self, early, late):
        """The paper's formula, with the gradient of a softmax worked out by hand."""
        net = classifier(std=[25.0], n_classes=3)
        weights = net.module.weight.detach().double().numpy().reshape(3, 1, SIDE, SIDE) / 255 / 25
        start, after = first_step(net, objective="probability", early_progress=early, late_progress=late)
        p = 1 / 3  # the mean image is 0 to the network, and all logits are 0
        gradient = p * (weights[2] - weights.mean(0))
        lr = min(early, late * (1 - p)) / (gradient**2).sum()
        assert np.array_equal(after, np.clip(np.round((start + lr * gradient).astype(np.float32)), 0, 255))
        assert not np.array_equal(after, start)

    def test_largest_rate(self):
        net = classifier()
        start, after = first_step(net, objective="logit", early_progress=1e9, max_lr=300.0)
        assert np.array_equal(after, np.clip(np.round((start + 300 * slope(net, 2)).astype(np.float32)), 0, 255))

    def test_constant(self):
        net = classifier()
        start, after = first_step(net, objective="logit", optimiser="constant", lr=200.0)
        assert np.array_equal(after, np.clip(np.round((start + 200 * slope(net, 2)).astype(np.float32)), 0, 255))

    def test_adam_begins_with_the_sign(self):
        net = classifier()
        start, after = first_step(net, objective="logit", optimiser="adam", lr=3.0)
        assert np.array_equal(after, start + 3 * np.sign(slope(net, 2)))

    @pytest.mark.parametrize("parametrisation", ["pixel", "fourier"])
    def test_adam_is_torchs(self, parametrisation):
        """Ten steps of our batched Adam against torch.optim.Adam on one image, in the same parameters."""
        net = curved()
        options = {"objective": "logit", "optimiser": "adam", "lr": 0.7, "parametrisation": parametrisation}
        result = ascend(net, classes="0,3", settings=AscentSettings(start="mean", steps=10, all_steps=True, **options))
        fourier = Fourier((3, SIDE, SIDE), torch.device("cpu"))
        decode = fourier.to_pixels if parametrisation == "fourier" else lambda z: z
        shape = (1, 3, SIDE, SIDE // 2 + 1, 2) if parametrisation == "fourier" else (1, 3, SIDE, SIDE)
        parameters = torch.zeros(shape, requires_grad=True)
        adam = torch.optim.Adam([parameters], lr=0.7, maximize=True)
        for _ in range(10):
            adam.zero_grad()
            exact = MEAN + decode(parameters)
            assert exact.min() > 0
            assert exact.max() < 255
            seen = exact + (exact.round() - exact).detach()
            net.logits(seen)[0, 3].backward()
            adam.step()
        expected = (MEAN + decode(parameters.detach())).round()[0].numpy()
        assert np.abs(result.images[1] - expected).max() <= 1
        assert (result.images[1] != expected).mean() < 0.02

    def test_default_objective(self):
        assert AscentSettings().objective == "log-probability"
        assert AscentSettings(optimiser="adam").objective == "logit"
        assert AscentSettings(optimiser="adam", objective="probability").objective == "probability"

    @pytest.mark.parametrize("objective", ["logit", "probability", "log-probability"])
    @pytest.mark.parametrize("parametrisation", ["pixel", "fourier"])
    def test_every_objective_is_climbed(self, objective, parametrisation):
        result = ascend(
            curved(), settings=AscentSettings(objective=objective, parametrisation=parametrisation, steps=400), seed=1
        )
        assert result.done
        assert (result.confidence >= 0.9999).all()


class TestRegularisers:
    images = torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0)) * 255
    gradient = torch.randn(2, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    mean = torch.full((3, 9, 7), MEAN)

    def apply(self, **options) -> np.ndarray:
        taken = torch.tensor([3, 4])
        return regularise(self.images, self.gradient, self.mean, taken, AscentSettings(**options)).numpy()

    def test_decay(self):
        assert self.apply(l2_decay=0.25) == pytest.approx(MEAN + 0.75 * (self.images.numpy() - MEAN), abs=1e-4)

    def test_decay_in_a_run_pulls_to_the_mean(self):
        net = classifier()
        start, after = first_step(net, objective="logit", early_progress=40.0, l2_decay=0.5)
        gradient = slope(net, 2)
        assert np.array_equal(after, np.round((start + 20 / (gradient**2).sum() * gradient).astype(np.float32)))

    @pytest.mark.parametrize("deviation", [0.3, 0.8, 1.0])
    def test_blur(self, deviation):
        reach = int(np.ceil(4 * deviation))
        expected = ndimage.gaussian_filter(
            self.images.double().numpy(), (0, 0, deviation, deviation), mode="mirror", radius=(0, 0, reach, reach)
        )
        assert blur(self.images, deviation).numpy() == pytest.approx(expected, abs=1e-3)

    def test_blur_comes_every_so_many_steps_of_each_image(self):
        after = self.apply(blur_radius=1.0, blur_every=2)
        assert np.array_equal(after[0], self.images[0].numpy())
        assert np.array_equal(after[1], blur(self.images, 1.0)[1].numpy())

    def test_blur_wider_than_the_image(self):
        assert blur(self.images, 50.0).std() < self.images.std()

    @pytest.mark.parametrize("percentage", [10, 50, 90])
    def test_small_norm(self, percentage):
        after = self.apply(small_norm=percentage)
        for image, kept in zip(self.images.numpy(), after, strict=True):
            norm = np.linalg.norm(image - MEAN, axis=0)
            reset = norm < np.percentile(norm, percentage)
            assert (kept[:, reset] == MEAN).all()
            assert np.array_equal(kept[:, ~reset], image[:, ~reset])

    def test_small_contribution(self):
        after = self.apply(small_contribution=30)
        for image, gradient, kept in zip(self.images.numpy(), self.gradient.numpy(), after, strict=True):
            contribution = np.abs(((image - MEAN) * gradient).sum(0))
            reset = contribution < np.percentile(contribution, 30)
            assert (kept[:, reset] == MEAN).all()
            assert np.array_equal(kept[:, ~reset], image[:, ~reset])

    def test_total_variation_gradient(self):
        x = self.images.double().requires_grad_()
        dx = torch.cat([x[..., 1:] - x[..., :-1], torch.zeros_like(x[..., :1])], -1)
        dy = torch.cat([x[..., 1:, :] - x[..., :-1, :], torch.zeros_like(x[..., :1, :])], -2)
        (expected,) = torch.autograd.grad((1 + dx**2 + dy**2).sqrt().sum(), x)
        assert total_variation_gradient(self.images).numpy() == pytest.approx(expected.numpy(), abs=1e-5)

    def test_clipping(self):
        after = regularise(self.images * 3 - 200, self.gradient, self.mean, torch.tensor([1, 1]), AscentSettings())
        assert after.min() == 0
        assert after.max() == 255

    def test_jitter_looks_at_shifted_images(self):
        net = classifier()
        seen = []
        logits = net.logits
        net.logits = lambda x: seen.append(x.detach().clone()) or logits(x)
        start = AscentSettings(steps=6, jitter=2, lr=1e-9, optimiser="constant", objective="logit", start="uniform")
        result = ascend(net, classes=[1], settings=start)
        looks = [x[0].numpy() for x in seen]
        shifts = list(itertools.product(range(-2, 3), repeat=2))
        found = [[s for s in shifts if np.array_equal(np.roll(looks[-1], s, (1, 2)), look)] for look in looks]
        assert all(found)
        assert len({tuple(f[0]) for f in found}) > 1
        assert np.array_equal(result.images[0], looks[-1])

    def test_jittered_gradients_return_to_their_pixels(self):
        """A network that looks at one pixel only raises, whatever the shift, the pixel it looked at."""
        net = classifier(n_classes=2)
        with torch.no_grad():
            net.module.weight.zero_()
            net.module.weight[1, 0] = 1
        settings_ = AscentSettings(start="mean", steps=4, jitter=1, objective="logit", optimiser="adam", lr=9.0)
        image = ascend(net, classes=[1], settings=settings_).images[0, 0].astype(int)
        changed = np.argwhere(image != MEAN)
        # Shifted by at most 1 each way around the edges, the first pixel shows one of these nine.
        assert len(changed)
        assert np.isin(changed, [0, 1, SIDE - 1]).all()
        assert (image >= MEAN).all()


class TestFourier:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(0, 99))
    def test_transpose(self, height, width, channels, seed):
        """<A z, x> = <z, A' x> for every size, odd or even."""
        fourier = Fourier((channels, height, width), torch.device("cpu"))
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(2, channels, height, width // 2 + 1, 2, generator=generator)
        x = torch.randn(2, channels, height, width, generator=generator)
        assert float((fourier.to_pixels(z) * x).sum()) == pytest.approx(
            float((z * fourier.to_parameters(x)).sum()), abs=1e-3
        )

    def test_scale(self):
        fourier = Fourier((3, 32, 32), torch.device("cpu"))
        z = torch.randn(200, 3, 32, 17, 2, generator=torch.Generator().manual_seed(0))
        assert float(fourier.to_pixels(z).std()) == pytest.approx(1, abs=0.1)

    def test_low_frequencies_move_most(self):
        """A step for white-noise gradients is smoother than the gradients."""
        fourier = Fourier((1, 32, 32), torch.device("cpu"))
        x = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
        smooth = fourier.to_pixels(fourier.to_parameters(x))
        assert smooth.diff(dim=-1).std() / smooth.std() < 0.3 * x.diff(dim=-1).std() / x.std()


class TestAscent:
    def test_starts(self, tmp_path):
        net = curved()

        def start(kind, **options):
            return ascend(net, settings=AscentSettings(start=kind, steps=0), **options).images

        mean = start("mean")
        assert (mean == MEAN).all()
        noise = start("mean-noise", seed=4).astype(int) - mean
        assert noise.std() == pytest.approx(1, abs=0.1)
        uniform = start("uniform", seed=4)
        assert uniform.min() < 10
        assert uniform.max() > 245
        assert not np.array_equal(uniform[0], uniform[1])
        assert np.array_equal(uniform, start("uniform", seed=4))
        assert not np.array_equal(uniform, start("uniform", seed=5))
        assert np.array_equal(uniform[3:5], start("uniform", seed=4, classes="3,4"))
        picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / "start.png")
        given = start(str(tmp_path / "start.png"), classes="1,2")
        assert np.array_equal(given, np.stack([picture.transpose(2, 0, 1)] * 2))

    def test_a_start_of_another_size_is_resized(self, tmp_path):
        Image.new("RGB", (50, 80), (10, 20, 30)).save(tmp_path / "start.png")
        result = ascend(curved(), classes=[0], settings=AscentSettings(start=str(tmp_path / "start.png"), steps=0))
        assert (result.images[0] == np.array([10, 20, 30])[:, None, None]).all()

    def test_record(self):
        """What is recorded is true of the stored images, and comes in order."""
        net = classifier(std=[1.0])
        result = ascend(net, settings=AscentSettings(steps=300, early_progress=0.5, late_progress=0.5), seed=3)
        assert result.done
        assert result.images.dtype == np.uint8
        assert np.array_equal(result.confidence, net.confidences(result.images)[np.arange(4), result.classes])
        assert (np.diff(result.threshold_steps, axis=1) >= 0).all()
        assert (result.threshold_steps >= 0).all()
        assert np.array_equal(result.threshold_steps[:, -1], result.steps)
        for (index, threshold), image in result.threshold_images.items():
            assert confidence(net, image, index) >= threshold - 1e-6
        for index, image in zip(result.classes, result.images, strict=True):
            assert np.array_equal(image, result.threshold_images[index, 0.9999])
        summary = result.summary()
        assert summary["reached"] == {"0.5": 4, "0.99": 4, "0.999": 4, "0.9999": 4}
        assert summary["median_steps_to"]["0.9999"] == np.median(result.steps)
        assert summary["classes_over_9999"] == 4
        json.dumps(summary)

    def test_passes(self):
        """An image costs one pass a step and one for its last look; finished images cost nothing."""
        result = ascend(curved(), settings=AscentSettings(batch=3), seed=1)
        assert len(set(result.steps.tolist())) > 1
        assert result.evaluations == (result.steps + 1).sum()

    def test_steps_run_out(self):
        result = ascend(curved(), settings=AscentSettings(steps=2, early_progress=0.1))
        assert result.done
        assert (result.steps == 2).all()
        assert (result.threshold_steps == -1).any()

    @pytest.mark.parametrize(
        ("options", "goes_on"), [({}, False), ({"l2_decay": 0.01}, True), ({"all_steps": True}, True)]
    )
    def test_regularised_images_take_all_steps(self, options, goes_on):
        result = ascend(curved(), settings=AscentSettings(steps=60, **options))
        assert (result.steps == 60).all() == goes_on

    OPTIONS = (
        {},
        {"optimiser": "adam", "parametrisation": "fourier", "steps": 9},
        {"jitter": 1, "l2_decay": 0.02, "blur_radius": 0.5, "blur_every": 2, "steps": 12, "start": "uniform"},
    )

    @pytest.mark.parametrize("options", OPTIONS)
    def test_batch_does_not_matter(self, options):
        whole = ascend(curved(), settings=AscentSettings(batch=7, **options), seed=2)
        for batch in (1, 3):
            parts = ascend(curved(), settings=AscentSettings(batch=batch, **options), seed=2)
            assert np.array_equal(parts.steps, whole.steps)
            assert np.abs(parts.images.astype(int) - whole.images).max() <= 1
            assert (parts.images != whole.images).mean() < 0.01
            assert parts.confidence == pytest.approx(whole.confidence, abs=1e-3)
        alone = ascend(curved(), classes=[5], settings=AscentSettings(**options), seed=2)
        assert np.abs(alone.images[0].astype(int) - whole.images[5]).max() <= 1

    def test_global_generators_are_left_alone(self):
        torch.manual_seed(5)
        before = torch.get_rng_state()
        numbers = np.random.get_state()[1].copy()  # noqa: NPY002
        ascend(curved(), settings=AscentSettings(steps=3, jitter=1, start="uniform"))
        assert torch.equal(before, torch.get_rng_state())
        assert np.array_equal(numbers, np.random.get_state()[1])  # noqa: NPY002

    def test_probabilities_out(self):
        class Soft(Linear):
            def forward(self, x):
                return super().forward(x).softmax(1)

        result = ascend(classifier(Soft, outputs="probabilities"), seed=1)
        assert (result.confidence >= 0.9999).all()

    def test_sample(self):
        net = curved()
        chosen = ascend(net, sample=3, seed=8, settings=AscentSettings(steps=0)).classes
        assert len(set(chosen.tolist())) == 3
        assert np.array_equal(chosen, ascend(net, sample=3, seed=8, settings=AscentSettings(steps=0)).classes)
        few = ascend(net, classes="2,4", sample=1, seed=8, settings=AscentSettings(steps=0)).classes
        assert set(few.tolist()) < {2, 4}


class TestRunFolder:
    OPTIONS = TestAscent.OPTIONS

    @pytest.mark.parametrize("options", OPTIONS)
    @pytest.mark.parametrize("stop_after", [0, 1, 5])
    def test_resume_changes_nothing(self, tmp_path, options, stop_after):
        settings_ = AscentSettings(batch=3, **options)
        straight = ascend(curved(), settings=settings_, seed=6, out=tmp_path / "straight")
        count = itertools.count()
        stopped = ascend(
            curved(), settings=settings_, seed=6, out=tmp_path / "stopped", stop=lambda: next(count) >= stop_after
        )
        assert not stopped.done
        resumed = resume_ascent(tmp_path / "stopped", judge=curved())
        for name in ("confidence", "images", "steps", "finished", "threshold_steps"):
            assert np.array_equal(getattr(resumed, name), getattr(straight, name)), name
        assert resumed.threshold_images.keys() == straight.threshold_images.keys()
        for key, image in straight.threshold_images.items():
            assert np.array_equal(image, resumed.threshold_images[key])
        assert resumed.evaluations == straight.evaluations
        rows = [nf.RunFolder.open(tmp_path / name).metrics() for name in ("straight", "stopped")]
        for a, b in zip(*rows, strict=True):
            assert {**a, "seconds": 0} == {**b, "seconds": 0}
        for png in (tmp_path / "straight" / "images").iterdir():
            assert png.read_bytes() == (tmp_path / "stopped" / "images" / png.name).read_bytes()

    def test_given_start_is_remembered(self, tmp_path):
        picture = tmp_path / "start.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)).save(picture)
        settings_ = AscentSettings(start=str(picture), batch=2)
        straight = ascend(curved(), settings=settings_)
        ascend(curved(), settings=settings_, out=tmp_path / "run", stop=lambda: True)
        picture.unlink()
        resumed = resume_ascent(tmp_path / "run", judge=curved())
        assert np.array_equal(resumed.images, straight.images)

    def test_elites(self, tmp_path):
        result = ascend(curved(), classes="1,4", out=tmp_path / "run")
        elites = nf.RunFolder.open(tmp_path / "run").elites()
        assert [elite.class_index for elite in elites] == [1, 4]
        assert [elite.confidence for elite in elites] == result.confidence.tolist()
        assert [elite.generation for elite in elites] == result.steps.tolist()
        image = nf.RunFolder.open(tmp_path / "run").image(4)
        assert np.array_equal(image, result.images[1].transpose(1, 2, 0))

    def test_other_weights(self, tmp_path):
        ascend(curved(), out=tmp_path / "run", stop=lambda: True)
        other = curved()
        with torch.no_grad():
            other.module.first.mul_(2)
        with pytest.raises(nf.RunError, match="other weights"):
            resume_ascent(tmp_path / "run", judge=other)

    def test_damaged_checkpoint(self, tmp_path):
        ascend(curved(), out=tmp_path / "run", settings=AscentSettings(batch=2), stop=lambda: True)
        folder = nf.RunFolder.open(tmp_path / "run")
        arrays, metadata = folder.load_checkpoint()
        for name, damaged in {
            "ascent.climbing": np.array([0, 99]),
            "ascent.pixels": arrays["ascent.pixels"][:1],
            "ascent.finished": arrays["ascent.finished"][:3],
        }.items():
            folder.save_checkpoint({**arrays, name: damaged}, metadata)
            with pytest.raises(nf.RunError):
                resume_ascent(tmp_path / "run", judge=curved())


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "Say for which classes"),
            (["--all", "--class", "3"], "Choose one"),
            (["--class", "11"], "no class 11"),
            (["--all", "--start", "noise"], "a start is"),
            (["--all", "--start", "missing.png"], "There is no image"),
            (["--all", "--optimiser", "constant"], "give lr"),
            (["--all", "--l2-decay", "1.5"], "The setting l2_decay cannot be used"),
            (["--sample", "11"], "11 classes cannot be drawn from 10"),
        ],
    )
    def test_one_sentence(self, arguments, message, capsys, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert run_cli(["ascend", "--weights", "none", "--quiet", *arguments]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("Error: ")
        assert message in error
        assert not (tmp_path / "runs").exists()

    def test_not_a_picture(self, tmp_path):
        (tmp_path / "start.png").write_bytes(b"nothing of the kind")
        with pytest.raises(nf.DataError, match="cannot be read as an image"):
            ascend(curved(), settings=AscentSettings(start=str(tmp_path / "start.png")))


class TestCommandLine:
    def test_end_to_end(self, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        arguments = ["ascend", "--weights", "none", "--classes", "0-2,7", "--steps", "5", "--seed", "3", "--json"]
        assert run_cli([*arguments, "--quiet", "--out", "run"]) == 0
        printed = capsys.readouterr()
        assert printed.err == "" or "untrained" in printed.err
        summary = json.loads(printed.out)
        assert {
            "run",
            "model",
            "seed",
            "classes",
            "finished",
            "median_confidence",
            "reached",
            "seconds",
        } <= summary.keys()
        assert summary["classes"] == summary["finished"] == 4
        names = {path.name for path in (tmp_path / "run").iterdir()}
        assert {
            "config.toml",
            "manifest.json",
            "metrics.jsonl",
            "checkpoint",
            "images",
            "gallery.png",
            "report.html",
        } <= names
        assert {"0.png", "1.png", "2.png", "7.png"} <= {path.name for path in (tmp_path / "run" / "images").iterdir()}
        assert run_cli(["resume", "run", "--json", "--quiet"]) == 0
        again = json.loads(capsys.readouterr().out)
        assert again["evaluations"] == summary["evaluations"]
        assert run_cli(["resume", "run", "--generations", "9"]) == 2
        assert run_cli(["report", "run", "--quiet"]) == 0
        assert "step 5" in (tmp_path / "run" / "report.html").read_text()
        capsys.readouterr()

        words = shlex.split(nf.RunFolder.open(tmp_path / "run").manifest.command_line)
        assert words[0] == "neatfool"
        assert run_cli([*words[1:], "--quiet", "--out", "repeated"]) == 0
        for name in ("0.png", "7.png"):
            assert (tmp_path / "run/images" / name).read_bytes() == (tmp_path / "repeated/images" / name).read_bytes()

    def test_table(self, tmp_path, capsys):
        assert (
            run_cli(["ascend", "--weights", "none", "--class", "4", "--steps", "3", "--out", str(tmp_path / "run")])
            == 0
        )
        printed = capsys.readouterr()
        assert "1 of 1 finished" in printed.out
        assert "report.html" in printed.out
        assert "climbing: 1 of 1 images" in printed.err


class TestRealNetworks:
    def test_lenet(self, shared):
        net = nf.load_classifier(weights=shared / "weights/lenet_caffe_mnist.safetensors", device="cpu")
        result = ascend(net)
        assert (result.confidence >= 0.9999).all()
        assert result.steps.max() <= 20

    @pytest.mark.slow
    def test_squeezenet(self, shared):
        weights = shared / "weights/squeezenet1_0_imagenet.safetensors"
        result = ascend(nf.load_classifier("squeezenet1_0", weights=weights), sample=4, settings=AscentSettings())
        assert (result.confidence >= 0.9999).mean() >= 0.75


def test_pictures_belong_to_the_confidences_of_the_checkpoint(tmp_path):
    done = []
    ascend(
        curved(),
        settings=AscentSettings(steps=9, all_steps=True),
        out=tmp_path / "run",
        progress=done.append,
        stop=lambda: len(done) == 4,
    )
    folder = nf.RunFolder.open(tmp_path / "run")
    elites = folder.elites()
    # A later step had written its pictures when the process was killed.
    folder.write_images({elite.class_index: 255 - elite.pixels for elite in elites})
    again = folder.elites()
    judged = curved().confidences(np.stack([elite.pixels for elite in again]))
    for row, before, elite in zip(judged, elites, again, strict=True):
        assert np.array_equal(before.pixels, elite.pixels)
        assert row[elite.class_index] == pytest.approx(elite.confidence, abs=1e-6)


def test_crops_backend_and_precision_are_flags_and_are_repeated(tmp_path, capsys):
    out = tmp_path / "run"
    flags = ["--crops", "10", "--precision", "bfloat16", "--device", "cpu"]
    assert run_cli(["ascend", "-m", "lenet-mnist", "-c", "3", "--steps", "2", *flags, "--out", str(out), "-q"]) == 0
    folder = nf.RunFolder.open(out)
    assert folder.config["model"] | {"crops": 10, "precision": "bfloat16"} == folder.config["model"]
    assert "--crops 10" in folder.manifest.command_line and "--precision bfloat16" in folder.manifest.command_line
    capsys.readouterr()
    repeated = [*shlex.split(folder.manifest.command_line)[1:], "--out", str(tmp_path / "again"), "-q"]
    assert run_cli(repeated) == 0
    assert (tmp_path / "again/images/3.png").read_bytes() == (out / "images/3.png").read_bytes()


@pytest.mark.parametrize(("side", "way"), [(64, "paper"), (65, "visible")])
def test_large_images_climb_so_that_one_sees_something(side, way):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * side * side, 2))
    classifier = nf.Classifier(module, input_size=side, name="linear")
    result = nf.ascend(classifier, classes=[0])
    for name, value in PRESETS[way].items():
        assert getattr(result.config, name) == value
    assert result.config.parametrisation == {"paper": "pixel", "visible": "fourier"}[way]
    assert nf.ascend(classifier, classes=[0], settings=nf.AscentSettings()).config.parametrisation == "pixel"


def test_presets_are_chosen_and_overridden_from_the_command_line(tmp_path):
    for words, steps, parametrisation in (
        (["--preset", "visible", "--steps", "3"], 3, "fourier"),
        (["--preset", "paper"], 200, "pixel"),
        (["--steps", "3"], 3, "pixel"),
        ([], 200, "pixel"),
    ):
        out = tmp_path / f"run-{len(list(tmp_path.iterdir()))}"
        assert run_cli(["ascend", "--class", "3", "--out", str(out), "--quiet", *words]) == 0
        config = nf.RunFolder.open(out).config
        assert (config["steps"], config["parametrisation"]) == (steps, parametrisation)
