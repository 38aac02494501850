using System.Text.Json.Nodes;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Sweeps;

namespace MimicD.EvaluationTests;

/// <summary>Figures that an older version wrote are had anew from what happened in each episode.</summary>
public sealed class SweepRecomputationTests : IDisposable
{
    // t(0.975, 23) over z(0.975): what an interval of 24 episodes gains.
    private const double Price = 2.06865761 / 1.95996398;

    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("mimicd-");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Intervals_of_an_older_version_are_replaced_and_values_stay(bool archive)
    {
        var folder = SyntheticSweep.Write(Path.Combine(_scratch.FullName, "sweep"));
        if (archive)
        {
            var kept = new SweepFolder(Path.Combine(_scratch.FullName, "archive"));
            SweepArchive.Write(folder, kept);
            folder = kept;
        }

        // The experts' own figures lie beside the cell's, and what they are of does not.
        var cells = folder.ReadCells();
        cells = [.. cells.Select(c => c.Figures is null ? c : c with { Baseline = c.Baseline! with { Figures = Experts(c.Figures) } })];
        folder.WriteCells(cells);
        var text = File.ReadAllText(folder.CellsPath);
        folder.WriteCells([.. cells.Select(c => c.Figures is null ? c : c with { Figures = Old(c.Figures), Baseline = c.Baseline! with { Figures = Experts(Old(c.Figures)) } })]);
        Assert.NotEqual(text, File.ReadAllText(folder.CellsPath));

        Assert.Equal((cells.Length - 1, 0), SweepRecomputation.Run(folder));

        var again = folder.ReadCells();
        for (var i = 0; i < cells.Length - 1; i++)
        {
            Near(JsonNode.Parse(StrictJson.Format(cells[i]))!, JsonNode.Parse(StrictJson.Format(again[i]))!, "cell");
        }

        // Once more changes nothing more.
        (text, var table) = (File.ReadAllText(folder.CellsPath), File.ReadAllText(folder.TablePath));
        Assert.Equal((cells.Length - 1, 0), SweepRecomputation.Run(folder));
        Assert.Equal((text, table), (File.ReadAllText(folder.CellsPath), File.ReadAllText(folder.TablePath)));
    }

    [Fact]
    public void Cells_without_episodes_stay_as_they_are()
    {
        var folder = SyntheticSweep.Write(_scratch.FullName);
        File.Delete(folder.Resolve(folder.ReadCells()[0].Rollouts!));
        var before = File.ReadLines(folder.CellsPath).First();

        Assert.Equal((11, 1), SweepRecomputation.Run(folder));
        Assert.Equal(before, File.ReadLines(folder.CellsPath).First());
    }

    // Experts are not compared with anybody.
    private static Figures Experts(Figures f) => f with { SecondRatio = null, ThirdRatio = null };

    // As the versions before had it: every mean with the normal distribution's interval, whatever it is of.
    private static Figures Old(Figures f) => f with
    {
        AgentSuccess = new Estimate(f.AgentSuccess!.Value.Value, f.AgentSuccess.Value.Value - 0.05, f.AgentSuccess.Value.Value + 0.05),
        MinimumPairDistance = Old(f.MinimumPairDistance!.Value),
        SecondDifference = Old(f.SecondDifference),
        ThirdDifference = Old(f.ThirdDifference),
        PathLength = Old(f.PathLength),
        TimeToGoal = f.TimeToGoal is { } time ? Old(time) : null,
        ModeSwitches = Old(f.ModeSwitches!.Value),
        SecondRatio = Old(f.SecondRatio!.Value),
        ThirdRatio = Old(f.ThirdRatio!.Value),
    };

    private static Estimate Old(Estimate e) => new(e.Value, e.Value - (e.High - e.Value) / Price, e.Value + (e.High - e.Value) / Price);

    private static void Near(JsonNode expected, JsonNode found, string where)
    {
        switch (expected)
        {
            case JsonObject many:
                // The experts' spread is not at hand here: the old interval of the share was made up.
                foreach (var (name, value) in many.Where(m => m.Value is not null && !(where.Contains("baseline", StringComparison.Ordinal) && m.Key is "agentSuccess" or "commitment")))
                {
                    Near(value!, found[name]!, $"{where}.{name}");
                }

                break;
            case JsonArray list:
                for (var i = 0; i < list.Count; i++)
                {
                    Near(list[i]!, found[i]!, $"{where}[{i}]");
                }

                break;
            default:
                if (expected.GetValueKind() == System.Text.Json.JsonValueKind.Number)
                {
                    var (a, b) = (expected.GetValue<double>(), found.GetValue<double>());
                    Assert.True(Math.Abs(a - b) <= 1e-6 * Math.Max(1e-2, Math.Abs(a)), $"{where}: {a} became {b}");
                }
                else
                {
                    Assert.Equal(expected.ToJsonString(), found.ToJsonString());
                }

                break;
        }
    }
}
