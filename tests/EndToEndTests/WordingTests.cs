using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using MimicD.Cluster;
using MimicD.Contracts;
using MimicD.Evaluation;
using MimicD.Evaluation.Sweeps;
using MimicD.Numerics;
using MimicD.Training;
using MimicD.World;

namespace MimicD.EndToEndTests;

/// <summary>What is said of files that people write: every key of every file that comes with the program, spoilt in every way, is refused in the words of who wrote it, or accepted.</summary>
public sealed partial class WordingTests : IDisposable
{
    private static readonly string?[] Spoilt = ["null", "true", "7", "1.5", "\"word\"", "\"1\"", "[null]", "{\"nonsense\": 1}"];

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    public static TheoryData<string> Files()
    {
        var data = new TheoryData<string>();
        foreach (var folder in new[] { "scenarios", "presets", "presets/methods", "sweeps" })
        {
            foreach (var file in Directory.GetFiles(Path.Combine(EntryPoint.Root, folder), "*.json").Order(StringComparer.Ordinal))
            {
                data.Add(Path.GetRelativePath(EntryPoint.Root, file));
            }
        }

        data.Add(ClusterOptions.FileName);
        return data;
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void No_spoilt_file_is_refused_in_the_words_of_this_program(string file)
    {
        var text = File.ReadAllText(Path.Combine(EntryPoint.Root, file));
        var refused = 0;
        foreach (var (what, spoilt) in Spoil(JsonChange.Tree(text)).Concat([("empty", ""), ("cut", text[..(text.Length / 2)]), ("null", "null"), ("a list", "[]"), ("a word", "word"), ("twice", "{" + text[(text.IndexOf('{', StringComparison.Ordinal) + 1)..text.LastIndexOf('}')].TrimEnd().TrimEnd(',') + "," + text[(text.IndexOf('{', StringComparison.Ordinal) + 1)..])]))
        {
            try
            {
                Read(file, spoilt);
            }
            catch (InvalidInputException e)
            {
                refused++;
                Assert.False(Program().IsMatch(e.Message), $"{file}, {what}: {e.Message}");
                Assert.DoesNotContain('\n', e.Message);
            }
        }

        Assert.True(refused > 10, $"{refused} refused");
    }

    [Theory]
    [InlineData("\"kind\": \"kinematic\"", "\"kind\": 1", "'dynamics.kind': expected kinematic, unicycle or doubleIntegrator, found 1")]
    [InlineData("\"kind\": \"kinematic\"", "\"kind\": \"1\"", "'dynamics.kind': expected kinematic, unicycle or doubleIntegrator, found \"1\"")]
    [InlineData("\"kind\": \"kinematic\"", "\"kind\": \"flying\"", "'dynamics.kind': expected kinematic, unicycle or doubleIntegrator, found \"flying\"")]
    [InlineData("\"law\": \"gaussian\"", "\"law\": 2", "'starts.law': expected none, uniform or gaussian, found 2")]
    [InlineData("\"modes\": \"circulation\"", "\"modes\": 3", "'modes': expected none, swap, winding, circulation or swap-published, found 3")]
    [InlineData("\"steps\": 200", "\"steps\": 1.5", "'steps': expected a whole number, found 1.5")]
    [InlineData("\"steps\": 200", "\"steps\": 3000000000", "'steps': expected -2147483648 to 2147483647, found 3000000000")]
    [InlineData("\"steps\": 200", "\"steps\": null", "'steps': expected a whole number, found null")]
    [InlineData("\"timeStep\": 0.1", "\"timeStep\": \"0.1\"", "'timeStep': expected a number such as 1.5 (decimal point), found \"0.1\"")]
    [InlineData("\"timeStep\": 0.1", "\"timestep\": 0.1", "unknown key 'timestep' (did you mean 'timeStep'?)")]
    [InlineData("\"timeStep\": 0.1,", "", "'timeStep': expected a number such as 1.5 (decimal point), found nothing")]
    [InlineData("\"timeStep\": 0.1,", "\"timeStep\": 0.1, \"timeStep\": 0.2,", "key 'timeStep' twice")]
    [InlineData("\"contact\": \"contact\",", "", "'collision.contact': expected a text in quotes, found nothing")]
    [InlineData("\"radius\": 6.0", "\"radius\": [6]", "'circle.radius': expected a number such as 1.5 (decimal point), found a list")]
    [InlineData("\"name\": \"near\", \"pair\": 0.75", "\"name\": \"near\", \"pairs\": 0.75", "unknown key 'collision.limits[1].pairs' (did you mean 'pair'?)")]
    [InlineData("\"modes\": \"circulation\"", "\"modes\": \"\\ud800\"", "'modes': expected none, swap, winding, circulation or swap-published, found \"\\ud800\"")]
    [InlineData("\"modes\": \"circulation\"", "\"\\ud800\": 1", "expected another value, found an object")]
    [InlineData("\"limits\": [", "\"limits\": 1, \"x\": [", "'collision.limits': expected a list of objects, found 1")]
    public void A_scenario_is_refused_by_line_key_expected_and_found(string from, string to, string message)
    {
        var text = File.ReadAllText(Path.Combine(EntryPoint.Root, "scenarios", "ring.json"));
        Assert.Contains(from, text, StringComparison.Ordinal);
        var found = Assert.Throws<InvalidInputException>(() => Scenario.Parse(text.Replace(from, to, StringComparison.Ordinal), "ring.json")).Message;
        Assert.Matches("^ring.json: line [0-9]+: ", found);
        Assert.EndsWith(": " + message, found, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("scenario.sensing.noise=0,1", "sensing.noise': expected a number such as 1.5 (decimal point), found \"0,1\"")]
    [InlineData("scenario.sensing.noise=+1", "sensing.noise': expected a number such as 1.5 (decimal point), found \"+1\"")]
    [InlineData("scenario.sensing.noise=NaN", "sensing.noise': expected a number such as 1.5 (decimal point), found \"NaN\"")]
    [InlineData("scenario.sensing.nose=1", "unknown key 'sensing.nose' (did you mean 'noise'?)")]
    [InlineData("scenario.sensing={\"noise\":1,\"noise\":2}", "'sensing': expected an object of range, noise, delay, dropout, found \"{\\\"noise\\\":1,\\\"noise\\\":2}\"")]
    public void A_change_is_refused_without_a_line(string change, string message)
    {
        var found = Assert.Throws<InvalidInputException>(() => Scenario.Load(Path.Combine(EntryPoint.Root, "scenarios", "ring.json"), [Cli.RunVerb.ScenarioChange(change)])).Message;
        Assert.StartsWith($"--set {change}: ", found, StringComparison.Ordinal);
        Assert.EndsWith(message, found, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_that_are_none_are_refused_by_what_they_are()
    {
        Assert.Equal($"{_scratch.Folder}: expected a file, found a folder", Assert.Throws<InvalidInputException>(() => Scenario.Load(_scratch.Folder)).Message);
        Assert.Equal($"{_scratch["none.json"]}: cannot be read: there is no such file", Assert.Throws<InvalidInputException>(() => Scenario.Load(_scratch["none.json"])).Message);
        File.WriteAllText(_scratch["empty.json"], " \n");
        Assert.Equal($"{_scratch["empty.json"]}: expected JSON, found nothing but space", Assert.Throws<InvalidInputException>(() => Scenario.Load(_scratch["empty.json"])).Message);
    }

    [Fact]
    public void Positions_beyond_all_worlds_are_refused_wherever_they_come_from()
    {
        var scenario = Scenario.Load(Path.Combine(EntryPoint.Root, "scenarios", "swap.json"));
        var positions = new double[2 * 2 * 10 * 2];
        positions[7] = 1e300;
        new NpzWriter().Add<double>("positions", positions, 2, 2, 10, 2).Save(_scratch["rollouts.npz"]);
        Assert.Contains("positions: expected numbers within 1000000000 m, found 1E+300 at episode 0", Assert.Throws<InvalidInputException>(() => RolloutFile.Load(_scratch["rollouts.npz"], scenario)).Message, StringComparison.Ordinal);
        new NpzWriter().Add<double>("positions", new double[positions.Length], 2, 2, 10, 2).Add<double>("goals", new double[] { 0, 0, 0, 1e300, 0, 0, 0, 0 }, 2, 2, 2).Save(_scratch["goals.npz"]);
        Assert.Contains("goals: expected numbers within 1000000000 m, found 1E+300", Assert.Throws<InvalidInputException>(() => RolloutFile.Load(_scratch["goals.npz"], scenario)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "abc", 3)]
    [InlineData("road", "raod", 1)]
    [InlineData("kitten", "sitting", 3)]
    public void Words_are_as_far_apart_as_letters_have_to_be_changed(string a, string b, int distance) => Assert.Equal((distance, distance), (Suggestion.Distance(a, b), Suggestion.Distance(b, a)));

    private void Read(string file, string text)
    {
        var path = _scratch["spoilt.json"];
        if (file.StartsWith("scenarios", StringComparison.Ordinal))
        {
            Scenario.Parse(text, "spoilt.json");
            return;
        }

        File.WriteAllText(path, text);
        if (file.StartsWith("presets/methods", StringComparison.Ordinal))
        {
            TrainingMethod.Load(path);
        }
        else if (file.StartsWith("presets", StringComparison.Ordinal))
        {
            TrainingPreset.Load(path, [], null);
        }
        else if (file.StartsWith("sweeps", StringComparison.Ordinal))
        {
            SweepFile.Load(path);
        }
        else
        {
            ClusterOptions.Load(path);
        }
    }

    /// <summary>The text with each of its values spoilt in turn.</summary>
    private static IEnumerable<(string What, string Text)> Spoil(JsonNode root)
    {
        foreach (var path in Paths(root, []).ToArray())
        {
            foreach (var value in Spoilt)
            {
                yield return ($"{string.Join('.', path)} = {value}", Changed(path, (at, key) => Put(at, key, value)));
            }

            if (path[^1] is string name)
            {
                yield return ($"{string.Join('.', path)} gone", Changed(path, (at, key) => at.AsObject().Remove(name)));
                yield return ($"{string.Join('.', path)} misspelt", Changed(path, (at, key) =>
                {
                    var was = at[name]?.DeepClone();
                    at.AsObject().Remove(name);
                    at[name + "s"] = was;
                }));
            }
        }

        string Changed(object[] path, Action<JsonNode, object> change)
        {
            var copy = root.DeepClone();
            change(path[..^1].Aggregate(copy, (at, key) => key is string name ? at[name]! : at[(int)key]!), path[^1]);
            return copy.ToJsonString();
        }

        static void Put(JsonNode at, object key, string? value)
        {
            var node = JsonNode.Parse(value!);
            if (key is string name)
            {
                at[name] = node;
            }
            else
            {
                at[(int)key] = node;
            }
        }
    }

    private static IEnumerable<object[]> Paths(JsonNode? node, object[] at)
        => (node switch
        {
            JsonObject o => o.Select(p => ((object)p.Key, p.Value)),
            JsonArray { Count: > 0 } a => new[] { ((object)0, a[0]) },
            _ => [],
        }).SelectMany(child => Paths(child.Item2, [.. at, child.Item1]).Prepend([.. at, child.Item1]));

    /// <summary>What only a programmer would say.</summary>
    [GeneratedRegex(@"MimicD\.|System\.|deserializ|\.NET|\$\.|`1|Nullable|Int32|Double|Boolean|isFinalBlock|BytePosition|JSON value could|\bnull reference\b", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Program();
}
