using System.Text;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.World.Tests;

public sealed class DemonstrationTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-demonstrations-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    internal static DemonstrationSet Make(int count, int agents, int steps)
        => new(
            new NdArray<double>([count, agents, steps, 2], [.. Enumerable.Range(0, count * agents * steps * 2).Select(i => Math.Sin(i) * 5)]),
            new NdArray<double>([count, agents, steps - 1, 2], [.. Enumerable.Range(0, count * agents * (steps - 1) * 2).Select(i => Math.Cos(i))]),
            [.. Enumerable.Range(0, count).Select(i => i % 7)],
            new DemonstrationMeta { Scenario = "swap", TimeStep = 0.25, Seed = 4 });

    [Fact]
    public void What_is_saved_is_read_back()
    {
        var set = Make(5, 3, 7);
        set.Save(_folder);
        var back = DemonstrationSet.Load(_folder);
        Assert.Equal(set.Positions.Shape, back.Positions.Shape);
        Assert.Equal(set.Positions.Data, back.Positions.Data);
        Assert.Equal(set.Controls!.Data, back.Controls!.Data);
        Assert.Equal(set.Modes, back.Modes);
        Assert.Equal(set.Meta, back.Meta);
        Assert.Equal(set.ContentHash(), back.ContentHash());
        Assert.Equal(set.ContentHash(), DemonstrationSet.Load(_folder).Subset([0, 1, 2, 3, 4]).ContentHash());
        Assert.DoesNotContain(Directory.EnumerateFiles(_folder), f => f.EndsWith(".part", StringComparison.Ordinal));
    }

    [Fact]
    public void A_subset_keeps_the_order_asked_for()
    {
        var set = Make(5, 2, 4);
        var subset = set.Subset([3, 1]);
        Assert.Equal(set.Path(3, 1).ToArray(), subset.Path(0, 1).ToArray());
        Assert.Equal(set.Path(1, 0).ToArray(), subset.Path(1, 0).ToArray());
        Assert.Equal([3, 1], subset.Modes!);
        Assert.NotEqual(set.ContentHash(), subset.ContentHash());
    }

    [Fact]
    public void NaN_is_refused_and_located()
    {
        Make(3, 2, 4).Save(_folder);
        var data = Make(3, 2, 4).Positions.Data;
        data[(1 * 2 + 1) * 8 + 2 * 2 + 1] = double.NaN;
        new NpzWriter().Add<double>("positions", data, 3, 2, 4, 2).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, "agents.npz: positions: expected finite numbers, found NaN at [1, 1, 2, 1]");
    }

    [Theory]
    [InlineData(new[] { 24, 2 }, "positions: expected shape [M,N,T,D] with D 2 or 3, found (24, 2)")]
    [InlineData(new[] { 3, 2, 2, 4 }, "positions: expected shape [M,N,T,D] with D 2 or 3, found (3, 2, 2, 4)")]
    [InlineData(new[] { 3, 8, 1, 2 }, "positions: expected shape")]
    public void A_wrong_shape_is_refused(int[] shape, string expected)
    {
        Make(3, 2, 4).Save(_folder);
        new NpzWriter().Add<double>("positions", new double[48], shape).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, expected);
    }

    [Fact]
    public void Controls_and_modes_must_match_the_positions()
    {
        Make(3, 2, 4).Save(_folder);
        new NpzWriter().Add<double>("positions", new double[48], 3, 2, 4, 2).Add<double>("controls", new double[48], 3, 2, 4, 2).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, "controls: expected shape (3, 2, 3, C), found (3, 2, 4, 2)");
        new NpzWriter().Add<double>("positions", new double[48], 3, 2, 4, 2).Add<int>("mode", new int[2], 2).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, "mode: expected 3 numbers");
    }

    [Fact]
    public void A_truncated_file_an_empty_folder_and_a_strange_description_are_refused()
    {
        Refused(Path.Combine(_folder, "nowhere"), "a folder with agents.npz");
        Refused(_folder, "agents.npz, or one .npy file an agent");
        Make(3, 2, 4).Save(_folder);
        var arrays = Path.Combine(_folder, "agents.npz");
        var bytes = File.ReadAllBytes(arrays);
        File.WriteAllBytes(arrays, bytes[..(bytes.Length / 2)]);
        Refused(_folder, "agents.npz: not an .npz file, or truncated");
        File.WriteAllBytes(arrays, bytes);
        File.WriteAllText(Path.Combine(_folder, "meta.json"), "{ \"scenario\": \"swap\", \"timeStep\": 0.1, \"colour\": 1 }");
        Refused(_folder, "unknown key 'colour'");
    }

    [Fact]
    public void One_array_an_agent_is_read_in_the_order_of_the_numbers()
    {
        var set = Make(4, 11, 3);
        for (var i = 0; i < 11; i++)
        {
            WriteAgent(set, i, $"data{i + 1}_4_traj.npy", 4);
        }

        var back = DemonstrationSet.Load(_folder);
        Assert.Equal(set.Positions.Shape, back.Positions.Shape);
        Assert.Equal(set.Positions.Data, back.Positions.Data);
        Assert.Null(back.Modes);
        var swap = Scenario.Load(Path.Combine(ScenarioTests.Folder, "swap.json"));
        Assert.Equal("swap", DemonstrationSet.Load(_folder, swap).Scenario);
    }

    [Fact]
    public void Several_sets_are_ambiguous_until_one_is_named()
    {
        var set = Make(4, 2, 3);
        for (var i = 0; i < 2; i++)
        {
            WriteAgent(set, i, $"data{i + 1}_4_traj.npy", 4);
            WriteAgent(set, i, $"data{i + 1}_2_traj.npy", 2);
        }

        Refused(_folder, "data*_2_traj.npy, ");
        Assert.Equal(2, DemonstrationSet.Load(Path.Combine(_folder, "data*_2_traj.npy")).Count);
        Refused(Path.Combine(_folder, "data*_3_traj.npy"), "expected agents.npz, or one .npy file an agent");
    }

    [Fact]
    public void Agents_with_different_numbers_of_demonstrations_are_refused()
    {
        var set = Make(4, 2, 3);
        WriteAgent(set, 0, "data1.npy", 4);
        WriteAgent(set, 1, "data2.npy", 3);
        Refused(_folder, "data2.npy: expected shape (4, 3, 2) as in data1.npy, found (3, 3, 2)");
    }

    [Fact]
    public void Whole_numbers_and_Fortran_order_are_read_as_any_others()
    {
        // Two demonstrations of three steps in two dimensions; element (m, t, d) is 100 m + 10 t + d, the first index fastest.
        short[] first = [0, 100, 10, 110, 20, 120, 1, 101, 11, 111, 21, 121];
        foreach (var agent in new[] { 1, 2 })
        {
            var header = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3, 2), }\n";
            File.WriteAllBytes(Path.Combine(_folder, $"data{agent}.npy"), [0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header),
                .. first.SelectMany(x => new[] { (byte)((x + agent) >> 8), (byte)(x + agent) })]);
        }

        var set = DemonstrationSet.Load(_folder);
        Assert.Equal([2, 2, 3, 2], set.Positions.Shape);
        Assert.Equal([101, 102, 111, 112, 121, 122], set.Path(1, 0).ToArray());
        Assert.Equal([2, 3, 12, 13, 22, 23], set.Path(0, 1).ToArray());

        // A name with a number that no agent can have is no agent's, and makes no others unreadable.
        File.Copy(Path.Combine(_folder, "data1.npy"), Path.Combine(_folder, "data99999999999999999999999.npy"));
        Assert.Equal(2, DemonstrationSet.Load(_folder).Agents);
    }

    [Fact]
    public void A_mode_that_is_too_large_a_number_is_refused_by_name()
    {
        Make(2, 2, 4).Save(_folder);
        new NpzWriter().Add<double>("positions", new double[32], 2, 2, 4, 2).Add<long>("mode", new[] { 1, 5_000_000_000 }, 2).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, "agents.npz: mode: element type '<i8': expected numbers within 32 bits, found 5000000000 at element 1");
    }

    [Fact]
    public void A_flipped_bit_is_refused_wherever_it_is_in_the_numbers()
    {
        var set = Make(3, 2, 4);
        set.Save(_folder);
        var file = Path.Combine(_folder, "agents.npz");
        var whole = File.ReadAllBytes(file);
        var hash = set.ContentHash();
        for (var at = 0; at < whole.Length; at += 7)
        {
            var flipped = (byte[])whole.Clone();
            flipped[at] ^= 16;
            File.WriteAllBytes(file, flipped);
            try
            {
                var read = DemonstrationSet.Load(_folder);
                Assert.Equal((hash, set.Modes!.Length, set.Controls!.Data.Length), (read.ContentHash(), read.Modes!.Length, read.Controls!.Data.Length));
                Assert.Equal(set.Modes, read.Modes);
                Assert.Equal(set.Controls.Data, read.Controls.Data);
            }
            catch (InvalidInputException e)
            {
                Assert.StartsWith(file, e.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Demonstrations_that_end_in_NaN_have_lengths_of_their_own_and_are_padded_with_their_last_position()
    {
        var set = Make(3, 2, 6);
        int[] lengths = [6, 4, 5];
        var padded = (double[])set.Positions.Data.Clone();
        for (var row = 0; row < 6; row++)
        {
            padded.AsSpan(row * 12, 12)[(2 * lengths[row / 2])..].Fill(double.NaN);
        }

        Make(3, 2, 6).Save(_folder);
        new NpzWriter().Add<double>("positions", padded, 3, 2, 6, 2).Save(Path.Combine(_folder, "agents.npz"));
        var back = DemonstrationSet.Load(_folder);
        Assert.False(back.HasOneLength);
        Assert.Equal(lengths, Enumerable.Range(0, 3).Select(back.Length));
        Assert.Equal(set.Path(1, 1)[..8].ToArray(), back.Path(1, 1).ToArray());
        Assert.Equal(back.Path(1, 1)[^2..].ToArray(), back.Positions.Data[(3 * 12 + 10)..(3 * 12 + 12)]);
        Assert.Equal(2 * 4 * 2, back.Joint(1).Length);

        // Saved, read back, and said by 'lengths' instead: the same.
        back.Save(_folder);
        var again = DemonstrationSet.Load(_folder);
        Assert.Equal(back.ContentHash(), again.ContentHash());
        Assert.Equal(lengths[1..], Enumerable.Range(0, 2).Select(again.Subset([1, 2]).Length));
        Assert.NotEqual(back.ContentHash(), new DemonstrationSet(back.Positions, null, null, back.Meta).ContentHash());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void One_array_an_agent_may_be_padded_too(bool said)
    {
        var set = Make(2, 2, 6);
        for (var agent = 0; agent < 2; agent++)
        {
            var data = Enumerable.Range(0, 2).SelectMany(m => set.Path(m, agent).ToArray()).ToArray();
            data.AsSpan(12 + 6, 6).Fill(said ? 1e300 : double.NaN);
            Npy.Write<double>(Path.Combine(_folder, $"data{agent}.npy"), data, 2, 6, 2);
        }

        if (said)
        {
            Npy.Write<int>(Path.Combine(_folder, "lengths.npy"), new int[] { 6, 3 }, 2);
        }

        var back = DemonstrationSet.Load(_folder);
        Assert.Equal((6, 3), (back.Length(0), back.Length(1)));
        Assert.Equal(set.Path(1, 0)[..6].ToArray(), back.Path(1, 0).ToArray());
    }

    [Theory]
    [InlineData(new[] { 6, 1 }, "lengths: expected 2 to 6 positions a demonstration, found 1 in demonstration 1")]
    [InlineData(new[] { 7, 6 }, "lengths: expected 2 to 6 positions a demonstration, found 7 in demonstration 0")]
    [InlineData(new[] { 6 }, "lengths: expected 2 numbers, one a demonstration, found 1")]
    public void Lengths_that_cannot_be_are_refused(int[] lengths, string expected)
    {
        Make(2, 2, 6).Save(_folder);
        new NpzWriter().Add<double>("positions", Make(2, 2, 6).Positions.Data, 2, 2, 6, 2).Add<int>("lengths", lengths, lengths.Length).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, expected);
    }

    [Fact]
    public void Agents_that_end_apart_an_empty_demonstration_and_numbers_out_of_the_world_are_refused()
    {
        Make(2, 2, 6).Save(_folder);
        var data = Make(2, 2, 6).Positions.Data;
        data.AsSpan(12 + 10, 2).Fill(double.NaN);
        new NpzWriter().Add<double>("positions", data, 2, 2, 6, 2).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, "found 6 positions of agent 0 and 5 of agent 1 in demonstration 0");
        data.AsSpan(0, 24).Fill(double.NaN);
        new NpzWriter().Add<double>("positions", data, 2, 2, 6, 2).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, "positions: expected at least 2 positions in each demonstration, found 0 in demonstration 0");
        data.AsSpan().Clear();
        data[3] = -1e300;
        new NpzWriter().Add<double>("positions", data, 2, 2, 6, 2).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, "positions: expected numbers within 1000000000 m, found -1E+300 at [0, 0, 1, 1]");
        new NpzWriter().Add<double>("positions", new double[48], 2, 2, 6, 2).Add<int>("mode", new int[] { 1, 2_000_000_000 }, 2).Save(Path.Combine(_folder, "agents.npz"));
        Refused(_folder, "mode: expected numbers from 0 (unknown) to 256, found 2000000000");
    }

    [Fact]
    public void A_missing_agent_and_a_file_for_a_folder_are_named()
    {
        var set = Make(4, 3, 3);
        WriteAgent(set, 0, "data1.npy", 4);
        WriteAgent(set, 2, "data3.npy", 4);
        Refused(_folder, "numbered from 0 or 1 without a gap, found data1.npy, data3.npy");
        Refused(Path.Combine(_folder, "data1.npy"), "expected a folder with agents.npz, or with one .npy file an agent, found a file");
    }

    [Fact]
    public void Sets_of_the_same_agents_are_joined_and_the_shorter_ones_padded()
    {
        var joined = DemonstrationSet.Join([Make(2, 2, 4), Make(3, 2, 6)]);
        Assert.Equal((5, 6), (joined.Count, joined.Steps));
        Assert.Equal([4, 4, 6, 6, 6], Enumerable.Range(0, 5).Select(joined.Length));
        Assert.Equal(Make(2, 2, 4).Path(1, 1).ToArray(), joined.Path(1, 1).ToArray());
        Assert.Equal(Make(3, 2, 6).Path(0, 1).ToArray(), joined.Path(2, 1).ToArray());
        Assert.Throws<InvalidInputException>(() => DemonstrationSet.Join([Make(2, 2, 4), Make(2, 3, 4)]));
    }

    [Fact]
    public void Demonstrations_that_name_another_scenario_are_refused_unless_it_demonstrates_the_same()
    {
        Scenario? Known(string name) => File.Exists(Path.Combine(ScenarioTests.Folder, $"{name}.json")) ? Scenario.Load(Path.Combine(ScenarioTests.Folder, $"{name}.json")) : null;
        string? Refusal(string named, string wanted)
        {
            var error = Record.Exception(() => DemonstrationChecks.Require(Passing(named), Known(wanted)!, "demos", Known));
            return error is null ? null : Assert.IsType<InvalidInputException>(error).Message;
        }

        Assert.Null(Refusal("swap", "swap"));
        Assert.Null(Refusal("", "swap"));
        Assert.Null(Refusal("swap", "mirror-swap"));
        Assert.Null(Refusal("swap-robots", "swap"));
        foreach (var other in new[] { "road", "ring", "mirror-swap", "elsewhere", "../swap" })
        {
            var refusal = Refusal(other, "swap");
            Assert.StartsWith("demos: meta.json: scenario: expected demonstrations of scenario swap", refusal, StringComparison.Ordinal);
            Assert.EndsWith($"found {other}", refusal, StringComparison.Ordinal);
        }

        Assert.Equal("mirror-swap", DemonstrationChecks.Require(Passing("swap"), Known("mirror-swap")!, "demos", Known).Scenario);
    }

    [Fact]
    public void Demonstrations_in_millimetres_are_refused_and_strange_ones_doubted()
    {
        var swap = Scenario.Load(Path.Combine(ScenarioTests.Folder, "swap.json"));
        Assert.Empty(DemonstrationChecks.Doubts(Passing("swap"), swap, "demos"));
        var error = Assert.Throws<InvalidInputException>(() => DemonstrationChecks.Require(Passing("swap", scale: 1000), swap, "demos", _ => null));
        Assert.StartsWith("demos: positions: expected metres, about 20 m across as scenario swap is, found paths 2", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => DemonstrationChecks.Require(Passing("swap", scale: 0.001), swap, "demos", _ => null));

        Assert.Contains("one demonstration alone", Doubt(Passing("swap", count: 1)), StringComparison.Ordinal);
        Assert.Contains("recorded at another time step", Doubt(Passing("swap", steps: 200)), StringComparison.Ordinal);
        Assert.Contains("recorded at another time step", Doubt(Passing("swap", steps: 50)), StringComparison.Ordinal);
        Assert.Contains("agent 0's paths end at (65.62, 0)", Doubt(Passing("swap", scale: 3.281)), StringComparison.Ordinal);
        Assert.Contains("agent 0's paths start at (20, 0)", Doubt(Passing("swap", swapped: true)), StringComparison.Ordinal);

        var ring = Scenario.Load(Path.Combine(ScenarioTests.Folder, "ring.json")).WithAgents(2);
        Assert.Contains("% of the steps are faster than the 1.5 m/s of scenario ring", Assert.Single(DemonstrationChecks.Doubts(Passing("ring"), ring, "demos")), StringComparison.Ordinal);

        string Doubt(DemonstrationSet set) => Assert.Single(DemonstrationChecks.Doubts(set, swap, "demos"));
    }

    /// <summary>Two agents pass each other on arcs, one a demonstration on each side.</summary>
    private static DemonstrationSet Passing(string scenario, int count = 2, int steps = 100, double scale = 1, bool swapped = false)
    {
        var positions = new double[count * 2 * steps * 2];
        for (var at = 0; at < positions.Length; at += 2)
        {
            var (row, t) = Math.DivRem(at / 2, steps);
            var (s, side) = (t / (steps - 1.0), row / 2 % 2 == 0 ? 1 : -1);
            positions[at] = scale * 20 * (row % 2 == 0 ^ swapped ? s : 1 - s);
            positions[at + 1] = scale * side * (row % 2 == 0 ? 5 : -5) * Math.Sin(Math.PI * s);
        }

        return new DemonstrationSet(new NdArray<double>([count, 2, steps, 2], positions), null, null, new DemonstrationMeta { Scenario = scenario, TimeStep = 0.1 });
    }

    [Fact]
    public void Features_of_a_demonstration_follow_its_positions()
    {
        double[] positions =
        [
            0, 0, 1, 0, 1, 0, 1, 2, // agent 0: east, stands, north
            5, 5, 5, 5, 5, 5, 5, 5, // agent 1 stands
        ];
        var set = new DemonstrationSet(new NdArray<double>([1, 2, 4, 2], positions), null, null, new DemonstrationMeta { Scenario = "", TimeStep = 0.5 });
        var sensor = new Sensor(new SensorSpec { Velocity = true, Heading = true, Goal = Frame.Relative, Others = new OthersSpec { Velocity = true } }, [], 0.5);
        var frames = DemonstrationFeatures.Frames(set, sensor, 0, 0).Select(x => MathF.Round(x, 5)).Chunk(12).ToArray();
        var (cos, sin) = (MathF.Round(1 / MathF.Sqrt(5), 5), MathF.Round(2 / MathF.Sqrt(5), 5));
        Assert.Equal([0, 0, 0, 0, cos, sin, 1, 2, 5, 5, 0, 0], frames[0]);
        Assert.Equal([1, 0, 2, 0, 1, 0, 0, 2, 4, 5, 0, 0], frames[1]);
        Assert.Equal([1, 0, 0, 0, 1, 0, 0, 2, 4, 5, 0, 0], frames[2]);
        Assert.Equal([1, 2, 0, 4, 0, 1, 0, 0, 4, 3, 0, 0], frames[3]);
    }

    private void WriteAgent(DemonstrationSet set, int agent, string name, int count)
        => Npy.Write<double>(
            Path.Combine(_folder, name),
            Enumerable.Range(0, count).SelectMany(m => set.Path(m, agent).ToArray()).ToArray(),
            count, set.Steps, 2);

    private static void Refused(string path, string expected)
    {
        var error = Assert.Throws<InvalidInputException>(() => DemonstrationSet.Load(path));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }
}
