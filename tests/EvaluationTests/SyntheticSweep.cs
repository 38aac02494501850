using MimicD.Agents;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Sweeps;
using MimicD.Numerics;
using MimicD.World;

namespace MimicD.EvaluationTests;

/// <summary>A small folder of a sweep with made-up paths: two methods, one of them with a name that tries to break the page, three noise levels, two training seeds, and a cell that failed.</summary>
public static class SyntheticSweep
{
    public const string Nasty = "</script><b>&amp;\"x\"</b>";
    public const int Episodes = 24;
    public const int Times = 21;

    private const string ScenarioText = """
        {
          "name": "swap", "timeStep": 0.5, "steps": 21,
          "bodies": [ { "start": [0, 0], "goal": [20, 0] }, { "start": [20, 0], "goal": [0, 0] } ],
          "obstacles": [ { "centre": [10, 0], "radius": 4.0 } ],
          "bounds": { "low": [null, -7], "high": [null, 7] },
          "goalTolerance": 2.0,
          "collision": {
            "limits": [ { "name": "published", "pair": 2.7, "obstacle": 3.9 }, { "name": "contact", "pair": 2.25, "obstacle": 3.9 } ],
            "contact": "contact"
          },
          "contested": { "slot": "obstacleSide", "obstacle": 0, "axis": 0, "at": 10 },
          "modes": "swap",
          "dynamics": { "kind": "kinematic" }
        }
        """;

    public static string[] Methods { get; } = ["alpha", Nasty];

    public static string[] Noises { get; } = ["0", "0.1", "0.2"];

    public static Scenario Scene => Scenario.Parse(ScenarioText, "synthetic");

    /// <summary>Writes the folder.</summary>
    public static SweepFolder Write(string root)
    {
        var folder = new SweepFolder(root);
        var cells = new List<SweepCellResult>();
        for (var method = 0; method < Methods.Length; method++)
        {
            for (var noise = 0; noise < Noises.Length; noise++)
            {
                for (var seed = 1; seed <= 2; seed++)
                {
                    cells.Add(Cell(folder, method, noise, seed));
                }
            }
        }

        cells.Add(cells[0] with { Id = "ffffffffffff", Axes = Axes(Methods[0], Noises[2], 3), Model = cells[0].Model! with { TrainingSeed = 3 }, Figures = null, Rollouts = null, TrajectoryHash = null, Error = "the model has 3 agents <of> 2" });
        folder.WriteManifest(new SweepManifest
        {
            Name = "synthetic <sweep>",
            Command = "mimicd sweep synthetic.json --out runs/synthetic",
            Version = "0.1.0",
            Machine = new MachineDescription(2, "a processor", "a system", "a runtime"),
            Episodes = Episodes,
            Block = Episodes,
            Seed = 0,
            Axes = [new SweepAxisLabels("method", Methods), new SweepAxisLabels("noise", Noises), new SweepAxisLabels("seed", ["1", "2", "3"])],
            Cells = cells.Count,
            File = "{ \"name\": \"synthetic\" }",
        });
        folder.WriteCells(cells);
        return folder;
    }

    /// <summary>The paths of a cell, [E,2,T,2]: agent 1 passes above or below; the second method and more noise let agent 2 come along on the same side.</summary>
    public static (float[] Positions, double[] Goals) Paths(int method, int noise, int seed)
    {
        var positions = new float[Episodes * 2 * Times * 2];
        var goals = new double[Episodes * 2 * 2];
        for (var e = 0; e < Episodes; e++)
        {
            var random = new CounterRandom((ulong)seed, RandomPurpose.Resampling, e, method, noise);
            var side = e % 3 == 0 ? -1 : 1;
            var same = random.NextDouble() < 0.15 + 0.15 * method + 0.1 * noise;
            var (high, low) = (4.6 + 0.3 * random.NextDouble(), 4.3 + 2.8 * random.NextDouble());
            for (var n = 0; n < 2; n++)
            {
                var height = n == 0 ? side * high : same ? side * (high + low - 3) : -side * low;
                for (var t = 0; t < Times; t++)
                {
                    var share = (double)t / (Times - 1);
                    var at = ((e * 2 + n) * Times + t) * 2;
                    positions[at] = (float)(20 * (n == 0 ? share : 1 - share));
                    positions[at + 1] = (float)(height * Math.Sqrt(Math.Sin(Math.PI * share)));
                }

                goals[(e * 2 + n) * 2] = n == 0 ? 20 : 0;
            }
        }

        return (positions, goals);
    }

    public static string Id(int method, int noise, int seed) => $"00000000{method}{noise}{seed}a";

    private static OrderedDictionary<string, string> Axes(string method, string noise, int seed) => new() { ["method"] = method, ["noise"] = noise, ["seed"] = $"{seed}" };

    private static SweepCellResult Cell(SweepFolder folder, int method, int noise, int seed)
    {
        var id = Id(method, noise, seed);
        var (positions, goals) = Paths(method, noise, seed);
        var (scenario, rollouts) = (SweepFolder.CellFile(id, "scenario.json"), SweepFolder.CellFile(id, RolloutFile.Name));
        AtomicFile.WriteText(folder.Resolve(scenario), ScenarioText);
        new NpzWriter().Add<float>("positions", positions, Episodes, 2, Times, 2).Add<double>("goals", goals, Episodes, 2, 2).Save(folder.Resolve(rollouts));
        var baseline = new Baseline { Count = 100, ModeShares = [0.3, 0.3, 0.1, 0.1, 0.1, 0.1], Roughness = [0.02, 0.01] };
        return new SweepCellResult
        {
            Id = id,
            Axes = Axes(Methods[method], Noises[noise], seed),
            Scenario = "swap",
            ScenarioFile = scenario,
            Agents = 2,
            Method = Methods[method],
            Model = new SweepModel
            {
                File = $"models/{method}-{seed}.safetensors",
                Sha256 = new string('a', 64),
                TrainingSeed = (ulong)seed,
                TrainingSeconds = 12.5,
                Parameters = 123_456,
                Command = $"mimicd train swap --seed {seed}",
                Provenance = new ProvenanceSpec { Preset = "small", Seed = (ulong)seed, Steps = 10, Demonstrations = 100 },
            },
            Sampling = new SamplingSpec(),
            Episodes = Episodes,
            Seeds = [0],
            BlockEpisodes = [Episodes],
            Figures = Figures.Compute(Scene, PathSet.Create<float>(positions, [Episodes, 2, Times, 2], id), goals, baseline),
            Baseline = baseline,
            TrajectoryHash = new string('b', 64),
            Rollouts = rollouts,
            Seconds = 1.5,
            Command = $"mimicd sweep synthetic.json --cell {id}",
        };
    }
}
