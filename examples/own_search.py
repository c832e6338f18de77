"""An encoding, a strategy and a judge of one's own: stripes, hill climbing, and a rule instead of a network."""

import numpy as np

import neatfool as nf


@nf.register_encoding
class Stripes(nf.ArrayEncoding):
    name: str = "stripes"

    def random(self, count, shape, rng):
        return rng.normal(0, 1, (count, 3))  # how many stripes, how steep, how bright

    def mutate(self, genes, rng):
        return genes + rng.normal(0, 0.1, 3)

    def draw(self, genes, shape):
        y, x = np.mgrid[-1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
        return 127 * (1 + genes[2] + np.sin(9 * genes[0] * (x + genes[1] * y)))


@nf.register_strategy
class HillClimbing(nf.MapElites):
    name: str = "hill-climbing"

    def begin(self, setting, first, fitness):
        return Climber(setting)

    def restore(self, setting, arrays):
        return Climber(setting)


class Climber(nf.MapElitesStrategy):
    """Every child is a mutant of the elite of the next class in turn."""

    def ask(self, generation):
        archive = self.setting.archive
        turn = np.arange(self.setting.batch) % len(archive)
        children = archive.genomes.vary(np.column_stack([turn, turn, turn]).astype(np.uint32), generation=generation)
        parents = np.column_stack([archive.ids[turn], np.full(len(turn), -1)])
        return nf.Offspring(children, parents, archive.classes[turn])


def halves(images):
    """How bright the left half is, and the right one, in [0, 1]: two classes, no network."""
    return np.column_stack([part.mean((1, 2, 3)) / 255 for part in np.split(images, 2, axis=3)])


judge = nf.FunctionJudge(halves, image_shape=(1, 16, 16), classes=["left", "right"])

if __name__ == "__main__":
    run = nf.evolve(judge, encoding="stripes", strategy="hill-climbing", generations=50, out="runs/stripes")
    print(run, run.archive["left"].genome)
