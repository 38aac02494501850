using MimicD.Contracts;
using MimicD.Evaluation.Sweeps;
using MimicD.Tests;

namespace MimicD.EvaluationTests;

/// <summary>How a sweep file becomes cells, and what is refused.</summary>
public sealed class SweepTests : IDisposable
{
    private const string Axes = """ "axes": [ { "name": "agents", "key": "scenario.agents", "values": [2, 4, 8] }, { "name": "noise", "key": "scenario.starts.scale", "values": [0, 0.1] } ] """;
    private const string Base = """ "base": { "scenario": "ring", "policy": "straight" } """;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_grid_has_a_cell_for_every_combination_in_the_order_of_the_file()
    {
        var plan = Plan($$"""{ "name": "a", "episodes": 250, {{Base}}, {{Axes}} }""");

        Assert.Equal(["2 0", "2 0.1", "4 0", "4 0.1", "8 0", "8 0.1"], plan.Cells.Select(c => string.Join(' ', c.Axes.Values)));
        Assert.Equal([2, 2, 4, 4, 8, 8], plan.Cells.Select(c => c.Scenario.Agents));
        Assert.Equal([0, 0.1], plan.Cells.Take(2).Select(c => c.Scenario.Starts.Scale));
        Assert.Equal([100, 100, 50], plan.Cells[0].BlockEpisodes);
        Assert.All(plan.Cells, c => Assert.Equal(Enumerable.Range(0, 3).Select(b => SweepSeeds.Of(SweepSeeds.Keyed, 0, b)), c.Seeds));
        Assert.All(plan.Cells, c => Assert.Matches("^[0-9a-f]{12}$", c.Id));
        Assert.Equal(6, plan.Cells.Select(c => c.Id).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Ids_depend_on_what_is_computed_and_not_on_how_the_file_is_written()
    {
        string[] Ids(string text) => [.. Plan(text).Cells.Select(c => c.Id).Order(StringComparer.Ordinal)];
        var ids = Ids($$"""{ "name": "a", "episodes": 10, {{Base}}, {{Axes}} }""");

        Assert.Equal(ids, Ids("""
            // the same, written otherwise
            { "axes": [
                { "name": "spread", "values": [ { "label": "none", "set": { "scenario.starts.scale": 0.0 } }, { "label": "some", "set": { "scenario.starts.scale": 1e-1 } } ] },
                { "name": "scenario.agents", "values": [8, 4, 2] },
              ],
              "base": { "policy": "straight", "scenario": "ring" }, "episodes": 10, "seed": 0, "name": "b" }
            """));
        Assert.Empty(ids.Intersect(Ids($$"""{ "name": "a", "episodes": 11, {{Base}}, {{Axes}} }"""), StringComparer.Ordinal));
        Assert.Empty(ids.Intersect(Ids($$"""{ "name": "a", "episodes": 10, "seed": 1, {{Base}}, {{Axes}} }"""), StringComparer.Ordinal));
    }

    [Fact]
    public void Exclusions_leave_cells_out()
    {
        var plan = Plan($$"""{ "name": "a", "episodes": 1, {{Base}}, {{Axes}}, "exclude": [ { "agents": [4, "8"], "noise": 0.1 }, { "agents": 2 } ] }""");

        Assert.Equal(["4 0", "8 0"], plan.Cells.Select(c => string.Join(' ', c.Axes.Values)));
        Refused("exclude: expected at least one cell left, found none", $$"""{ "name": "a", "episodes": 1, {{Base}}, {{Axes}}, "exclude": [ { "noise": [0, 0.1] } ] }""");
        Refused("exclude[0]: expected names of axes (agents, noise), found delay", $$"""{ "name": "a", "episodes": 1, {{Base}}, {{Axes}}, "exclude": [ { "delay": 1 } ] }""");
        Refused("exclude[0].agents: expected one of 2, 4, 8, found 3", $$"""{ "name": "a", "episodes": 1, {{Base}}, {{Axes}}, "exclude": [ { "agents": 3 } ] }""");
    }

    [Fact]
    public void A_model_is_trained_once_for_all_cells_that_need_it_and_not_for_what_only_its_tasks_differ_in()
    {
        var plan = Plan("""
            { "name": "a", "episodes": 1, "experts": { "swap": { "count": 4 } }, "base": { "scenario": "swap", "training.preset": "small", "training.steps": 10 },
              "axes": [
                { "name": "seed", "key": "training.seed", "values": [1, 2] },
                { "name": "width", "key": "model.network.width", "values": [8, 16] },
                { "name": "sensing", "key": "scenario.sensing.noise", "values": [0, 0.1] },
                { "name": "steps", "key": "sampling.steps", "values": [2, 5] } ] }
            """);

        Assert.Equal(16, plan.Cells.Count);
        Assert.Equal(4, plan.Cells.Select(c => c.Training!.Key).Distinct(StringComparer.Ordinal).Count());
        Assert.All(plan.Cells, c => Assert.Equal(10, c.Training!.Steps));
        Assert.Contains("model.network.width=8", plan.Cells[0].Training!.Changes);
        Assert.Equal(2, plan.Cells[0].Sampling!.Steps);
    }

    [Fact]
    public void Networks_of_their_own_are_trained_for_as_many_agents_as_there_are_and_shared_ones_once()
    {
        string Text(bool shared, string more) => $$"""
            { "name": "a", "episodes": 1, "experts": { "ring": { "count": 4 } },
              "base": { "scenario": "ring", "training.preset": "small", "model.sensor.others.count": 3, "model.sensor.others.order": "nearest", "model.sensor.others.presence": true, "model.sharedWeights": {{(shared ? "true" : "false")}} {{more}} },
              "axes": [ { "name": "agents", "key": "scenario.agents", "values": [2, 4, 32] } ]
              {{(shared ? "" : ", \"exclude\": [ { \"agents\": 32 } ]")}} }
            """;

        var own = Plan(Text(shared: false, "")).Cells;
        Assert.Equal([2, 4], own.Select(c => c.Training!.Agents!.Value));
        Assert.Equal([2, 4], own.Select(c => c.Training!.Demonstrations.Agents!.Value));
        Assert.Equal(2, own.Select(c => c.Training!.Demonstrations.Identity).Distinct(StringComparer.Ordinal).Count());

        var shared = Plan(Text(shared: true, "")).Cells;
        Assert.Equal([8, 8, 8], shared.Select(c => c.Training!.Agents!.Value));
        Assert.Single(shared.Select(c => c.Training!.Key).Distinct(StringComparer.Ordinal));
        Assert.All(Plan(Text(shared: true, ", \"training.agents\": 5")).Cells, c => Assert.Equal(5, c.Training!.Agents));

        // Demonstrations of another number of agents are trained on, and nothing to hold episodes against.
        Assert.All(Plan(Text(shared: true, ", \"training.agents\": 5")).Cells, c => Assert.Equal((5, c.Scenario.Agents == 5), (c.Training!.Demonstrations.Agents, c.Demonstrations is not null)));
    }

    [Fact]
    public void A_crowd_too_large_for_the_experts_is_compared_with_none()
    {
        var cells = Plan("""{ "name": "a", "episodes": 1, "experts": { "ring": { "count": 4 } }, "base": { "scenario": "ring", "policy": "straight" }, "axes": [ { "name": "agents", "key": "scenario.agents", "values": [8, 9] } ] }""").Cells;
        Assert.Equal(8, cells[0].Demonstrations!.Agents);
        Assert.Null(cells[1].Demonstrations);
    }

    [Theory]
    [InlineData("training.agents: expected none (scenario swap lists its bodies), found 2", """{ "name": "a", "episodes": 1, "experts": { "swap": { "count": 4 } }, "base": { "scenario": "swap", "training.preset": "small" }, "axes": [ { "name": "n", "key": "training.agents", "values": [2] } ] }""")]
    [InlineData("unknown key 'axis'", """{ "name": "a", "episodes": 1, "axis": [], "axes": [] }""")]
    [InlineData("unknown key 'axes[0].keys'", """{ "name": "a", "episodes": 1, "axes": [ { "name": "x", "keys": "x", "values": [1] } ] }""")]
    [InlineData("'axes[0].values': ", """{ "name": "a", "episodes": 1, "axes": [ { "name": "x", "values": 3 } ] }""")]
    [InlineData("'episodes': ", """{ "name": "a", "episodes": "many", "axes": [ { "name": "policy", "values": ["straight"] } ] }""")]
    [InlineData("episodes: expected 1 to 1000000, found 0", """{ "name": "a", "episodes": 0, "axes": [ { "name": "policy", "values": ["straight"] } ] }""")]
    [InlineData("name: expected letters, digits, dots, dashes and underscores, found 'a/b'", """{ "name": "a/b", "episodes": 1, "axes": [ { "name": "policy", "values": ["straight"] } ] }""")]
    [InlineData("axes: expected at least one axis, found 0", """{ "name": "a", "episodes": 1, "axes": [] }""")]
    [InlineData("axis 'policy': expected at least one value, found none", """{ "name": "a", "episodes": 1, "axes": [ { "name": "policy", "values": [] } ] }""")]
    [InlineData("axis 'policy': expected different labels, found 'straight' twice", """{ "name": "a", "episodes": 1, "axes": [ { "name": "policy", "values": ["straight", "straight"] } ] }""")]
    [InlineData("axes: expected different names, found a name twice", """{ "name": "a", "episodes": 1, "axes": [ { "name": "policy", "values": ["straight"] }, { "name": "policy", "values": ["straight"] } ] }""")]
    [InlineData("axis 'x': expected scenario, scenario.KEY, policy, model, model.KEY, partner.PLACE, training.KEY or sampling.KEY, found unknown key 'x'", """{ "name": "a", "episodes": 1, "axes": [ { "name": "x", "values": [1] } ] }""")]
    [InlineData("found unknown key 'scenario.'", """{ "name": "a", "episodes": 1, "base": { "scenario.": 1 }, "axes": [ { "name": "policy", "values": ["straight"] } ] }""")]
    [InlineData("axis 'policy': values[0]: expected a plain value, or an object with label and set, found [1]", """{ "name": "a", "episodes": 1, "axes": [ { "name": "policy", "values": [[1]] } ] }""")]
    [InlineData("unknown key 'sets'", """{ "name": "a", "episodes": 1, "axes": [ { "name": "policy", "values": [ { "label": "x", "sets": {} } ] } ] }""")]
    [InlineData("axis 'b': expected keys that no other axis sets (axis 'a' sets sampling.steps), found sampling.steps", """{ "name": "a", "episodes": 1, "axes": [ { "name": "a", "key": "sampling.steps", "values": [1] }, { "name": "b", "key": "sampling.steps", "values": [2] } ] }""")]
    [InlineData("experts.swap: expected either experts or demos for a scenario, found both", """{ "name": "a", "episodes": 1, "experts": { "swap": { "count": 1 } }, "demos": { "swap": "x" }, "axes": [ { "name": "policy", "values": ["straight"] } ] }""")]
    [InlineData("cell 'policy straight': scenario: expected a scenario's name or file, in base or on an axis, found nothing", """{ "name": "a", "episodes": 1, "axes": [ { "name": "policy", "values": ["straight"] } ] }""")]
    [InlineData("one of policy, model and training.preset, found nothing", """{ "name": "a", "episodes": 1, "axes": [ { "name": "scenario", "values": ["ring"] } ] }""")]
    [InlineData("policy: expected straight or reciprocal, found bent", """{ "name": "a", "episodes": 1, "base": { "scenario": "ring" }, "axes": [ { "name": "policy", "values": ["bent"] } ] }""")]
    [InlineData("scenario: expected a name, found 3", """{ "name": "a", "episodes": 1, "base": { "policy": "straight" }, "axes": [ { "name": "scenario", "values": [3] } ] }""")]
    [InlineData("cell 'agents 1': scenario.agents: ", """{ "name": "a", "episodes": 1, "base": { "policy": "straight", "scenario": "swap" }, "axes": [ { "name": "agents", "key": "scenario.agents", "values": ["1"] } ] }""")]
    [InlineData("cell 'noise -1': scenario.sensing.noise: sensing.noise: expected 0 or more, found -1", """{ "name": "a", "episodes": 1, "base": { "policy": "straight", "scenario": "ring" }, "axes": [ { "name": "noise", "key": "scenario.sensing.noise", "values": [-1] } ] }""")]
    [InlineData("unknown key 'sensing.noize'", """{ "name": "a", "episodes": 1, "base": { "policy": "straight", "scenario": "ring" }, "axes": [ { "name": "noise", "key": "scenario.sensing.noize", "values": [1] } ] }""")]
    [InlineData("'policy straight, seed 1' and 'policy straight, seed 2', which are the same", """{ "name": "a", "episodes": 1, "base": { "scenario": "ring" }, "axes": [ { "name": "policy", "values": ["straight"] }, { "name": "seed", "key": "training.seed", "values": [1, 2] } ] }""")]
    [InlineData("expected an entry 'swap' in experts or demos, to train on, found nothing", """{ "name": "a", "episodes": 1, "base": { "scenario": "swap", "training.preset": "small" }, "axes": [ { "name": "seed", "key": "training.seed", "values": [1] } ] }""")]
    [InlineData("training.seed: expected a whole number from 0, found -1", """{ "name": "a", "episodes": 1, "experts": { "swap": { "count": 1 } }, "base": { "scenario": "swap", "training.preset": "small" }, "axes": [ { "name": "seed", "key": "training.seed", "values": [-1] } ] }""")]
    [InlineData("training.batch=0: training.batch: expected 1 to 65536, found 0", """{ "name": "a", "episodes": 1, "experts": { "swap": { "count": 1 } }, "base": { "scenario": "swap", "training.preset": "small" }, "axes": [ { "name": "batch", "key": "training.batch", "values": [0] } ] }""")]
    [InlineData("sampling.execute: sampling.execute: expected 1 to 16 (the plan's length), found 17", """{ "name": "a", "episodes": 1, "experts": { "swap": { "count": 1 } }, "base": { "scenario": "swap", "training.preset": "small" }, "axes": [ { "name": "execute", "key": "sampling.execute", "values": [17] } ] }""")]
    public void What_does_not_make_sense_is_refused_in_one_line(string message, string text)
        => Refused(message, text);

    [Fact]
    public void A_scenario_that_is_not_there_is_refused_by_name()
        => Refused("atlantis.json: cannot be read", """{ "name": "a", "episodes": 1, "base": { "policy": "straight" }, "axes": [ { "name": "scenario", "values": ["atlantis"] } ] }""");

    [Fact]
    public void What_lies_beside_the_sweep_file_is_found_from_anywhere()
    {
        File.Copy(Path.Combine(RepositoryRoot.Folder, "scenarios", "ring.json"), Path.Combine(_folder.FullName, "mine.json"));

        Assert.Equal("ring", Assert.Single(Plan("""{ "name": "a", "episodes": 1, "base": { "policy": "straight" }, "axes": [ { "name": "scenario", "values": ["mine.json"] } ] }""").Cells).Scenario.Name);
    }

    [Fact]
    public void Results_are_read_as_they_were_written_and_make_a_table()
    {
        var cell = new SweepCellResult
        {
            Id = "0123456789ab",
            Axes = new OrderedDictionary<string, string> { ["z"] = "1", ["a"] = "two, or \"three\"" },
            Scenario = "ring",
            ScenarioFile = "cells/0123456789ab/scenario.json",
            Agents = 2,
            Policy = "straight",
            Episodes = 3,
            Seeds = [ulong.MaxValue, 0],
            BlockEpisodes = [2, 1],
            Error = "it rained",
            Command = "mimicd sweep a --cell 0123456789ab --again",
        };
        var folder = new SweepFolder(_folder.FullName);
        folder.WriteCells([cell]);
        folder.WriteCell(cell);

        var read = Assert.Single(folder.ReadCells());
        Assert.Equal(StrictJson.Format(cell), StrictJson.Format(read));
        Assert.Equal(["z", "a"], read.Axes.Keys);
        Assert.Equal(StrictJson.Format(cell), StrictJson.Format(folder.ReadCell(cell.Id)));
        Assert.Null(folder.ReadCell("ba9876543210"));
        var lines = File.ReadAllLines(folder.TablePath);
        Assert.Equal("id,axis.z,axis.a,scenario,agents,method,policy,model,trainingSeed,episodes,trajectoryHash,seconds,error", lines[0]);
        Assert.Equal("0123456789ab,1,\"two, or \"\"three\"\"\",ring,2,,straight,,,3,,0,it rained", lines[1]);
    }

    [Fact]
    public void One_process_at_a_time_works_in_a_folder()
    {
        var folder = new SweepFolder(Path.Combine(_folder.FullName, "sweep"));
        using (folder.Claim())
        {
            Assert.Contains("expected no other process that writes there", Assert.Throws<InvalidInputException>(() => new SweepFolder(folder.Root).Claim()).Message, StringComparison.Ordinal);
        }

        folder.Claim().Dispose();
    }

    [Theory]
    [InlineData("plain/path-1.json", "plain/path-1.json")]
    [InlineData("two words", "'two words'")]
    [InlineData("it's", "'it'\\''s'")]
    [InlineData("", "''")]
    public void Arguments_are_quoted_for_a_shell(string argument, string quoted) => Assert.Equal(quoted, SweepShell.Quote(argument));

    private void Refused(string message, string text)
    {
        var refusal = Assert.Throws<InvalidInputException>(() => Plan(text)).Message;
        Assert.Contains(message, refusal, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal);
    }

    private SweepPlan Plan(string text)
    {
        var path = Path.Combine(_folder.FullName, "sweep.json");
        File.WriteAllText(path, text);
        return SweepPlan.Create(path, SweepFile.Load(path), (kind, name) => Path.Combine(RepositoryRoot.Folder, kind, name + ".json"));
    }
}
