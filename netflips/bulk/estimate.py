"""What a bulk run would take: a few utterances are done here, one after the other, and thrown away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from avcore.errors import CheckpointError
from avcore.files import private_folder
from avcore.runs.work import PoolSize
from netflips.bulk.progress import duration
from netflips.bulk.reading import read_part
from netflips.bulk.records import Costs, Made, Rejected, Source
from netflips.bulk.settings import ExtractModels, ExtractSettings
from netflips.bulk.shards import ShardFiles
from netflips.bulk.spread import num_cores
from netflips.bulk.tasks import stated_seconds
from netflips.bulk.worker import ModelWorker

_HOUR_S = 3600


@dataclass(frozen=True)
class Estimate:
    """What the sample says of the whole. num_left, media_s: what there is to do. costs, bytes_made: of the sample."""

    num_left: int
    media_s: float
    num_sampled: int
    rejected: tuple[Rejected, ...]
    costs: Costs
    bytes_made: int
    size: PoolSize

    @property
    def wall_s(self) -> float:
        """Seconds that the whole would take: as long as its busiest part, be it readers, workers or all cores together."""
        if not self.costs.media_s:
            return 0.0
        reading, models = self.costs.decode_s + self.costs.face_s, self.costs.model_s
        shares = [reading / self.size.readers, models / self.size.workers]
        if not self.size.gpus:
            shares.append((reading + models) / num_cores())
        return max(shares) * self.media_s / self.costs.media_s

    def text(self) -> str:
        """The estimate in a few lines."""
        lines = [f"{self.num_left} utterances to do, about {self.media_s / _HOUR_S:.2f} h; nothing was written"]
        if self.num_sampled > len(self.rejected):
            media_s = self.costs.media_s
            lines += [
                f"  sample       {self.num_sampled - len(self.rejected)} utterances, {media_s:.1f} s; work for each second (s):",
                f"               decoding {self.costs.decode_s / media_s:.3f}, faces {self.costs.face_s / media_s:.3f}, "
                f"models {self.costs.model_s / media_s:.3f}",
                f"  time         about {duration(self.wall_s)} with {self.size.workers} workers and {self.size.readers} readers",
                f"  disk         about {self.bytes_made / media_s * self.media_s / 1e6:.0f} MB",
            ]
        lines += [f"  rejected     {one.id}: {one.reason}" for one in self.rejected]
        return "\n".join(lines)


def estimate(
    sources: Sequence[Source], settings: ExtractSettings, models: ExtractModels, size: PoolSize, num_samples: int
) -> Estimate:
    """Do `num_samples` utterances, spread evenly over `sources`, into a folder that is thrown away."""
    step = max(1, len(sources) // num_samples) if num_samples else 1
    sample = sources[step // 2 :: step][:num_samples]
    with private_folder() as folder:
        tried = replace(settings, out_dir=folder)
        worker = ModelWorker(models, tried)
        if complaint := worker.load():
            raise CheckpointError(complaint)
        made, rejected, costs = list[Made](), list[Rejected](), Costs()
        for number, source in enumerate([*sample[:1], *sample]):  # the first one twice: the first time warms up
            result = worker.process(read_part(tried, [source]))
            if number:
                made, rejected, costs = made + result.made, rejected + result.rejected, costs + result.costs
        ShardFiles(folder, settings.layout).write(0, [one.row for one in made])
        bytes_made = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Estimate(len(sources), _total(sources, costs, len(made)), len(sample), tuple(rejected), costs, bytes_made, size)


def _total(sources: Sequence[Source], costs: Costs, num_made: int) -> float:
    """Seconds of all: as stated, or the sample's mean for each."""
    mean = costs.media_s / num_made if num_made else 0.0
    return sum(stated_seconds(source.entry) or mean for source in sources)
