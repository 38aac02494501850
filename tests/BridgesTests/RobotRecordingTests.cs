using MimicD.Agents;
using MimicD.Bridges.Robots;
using MimicD.Contracts;
using MimicD.World;

namespace MimicD.BridgesTests;

public sealed class RobotRecordingTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");
    private readonly Scenario _scenario = Cases.Crossing(agents: 1);

    private string Path => System.IO.Path.Combine(_folder.FullName, "run.jsonl");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_recording_that_is_there_is_replaced_only_when_that_is_asked_for()
    {
        Begin(Path).Dispose();
        var before = File.ReadAllText(Path);

        Assert.Equal($"{Path}: expected a file that is not there yet, or --overwrite, found the recording {Path}", Assert.Throws<InvalidInputException>(() => Begin(Path)).Message);
        Assert.Equal($"--record: expected a file that is not there yet, or --overwrite, found the recording {Path}", Assert.Throws<InvalidInputException>(() => RobotRecording.Require(Path, overwrite: false, "--record")).Message);
        Assert.Equal(before, File.ReadAllText(Path));

        RobotRecording.Require(Path, overwrite: true, "--record");
        using (var again = Begin(Path, overwrite: true))
        {
            again.Tick(1);
        }

        Assert.StartsWith(before, File.ReadAllText(Path), StringComparison.Ordinal);
        Assert.Equal(2, File.ReadAllLines(Path).Length);
    }

    [Fact]
    public void A_file_that_is_no_recording_is_never_replaced()
    {
        File.WriteAllText(Path, "{\"notes\": 1}\n");

        Assert.Contains("is no recording", Assert.Throws<InvalidInputException>(() => Begin(Path, overwrite: true)).Message, StringComparison.Ordinal);
        Assert.Contains("is no recording", Assert.Throws<InvalidInputException>(() => RobotRecording.Require(Path, overwrite: true, "--record")).Message, StringComparison.Ordinal);
        Assert.Equal("{\"notes\": 1}\n", File.ReadAllText(Path));

        // An empty one holds nothing.
        File.WriteAllText(Path, "");
        Begin(Path).Dispose();
    }

    [Fact]
    public void Two_do_not_record_into_one_file_at_once()
    {
        using var first = Begin(Path);
        first.Tick(1);

        Assert.Throws<InvalidInputException>(() => Begin(Path));
        Assert.Contains("cannot be written", Assert.Throws<InvalidInputException>(() => Begin(Path, overwrite: true)).Message, StringComparison.Ordinal);
        first.Tick(2);
        Assert.Null(first.Failure);
    }

    [Fact]
    public void A_link_is_followed_and_a_device_is_written_to()
    {
        var link = System.IO.Path.Combine(_folder.FullName, "link.jsonl");
        Begin(Path).Dispose();
        File.CreateSymbolicLink(link, Path);
        Begin(link, overwrite: true).Dispose();

        Assert.Equal(Path, new FileInfo(link).LinkTarget);
        Begin("/dev/null").Dispose();
        Begin("/dev/null", overwrite: true).Dispose();
    }

    [Fact]
    public void Robots_are_steered_on_where_there_is_no_room_for_the_recording()
    {
        var arena = new Arena(_scenario, _scenario.DefaultSensor, Cases.Walk(_scenario), seed: 1);
        using (var full = Begin("/dev/full"))
        {
            arena.Recording = full;
            arena.Begin();
            arena.Run();
            Assert.Contains("No space left", full.Failure, StringComparison.Ordinal);
        }

        Assert.Equal(RobotPhase.Done, arena.World.Phase);
        Assert.InRange(arena.Robots[0].Position[0], 9, 11);
    }

    [Fact]
    public async Task A_recording_is_read_again_whatever_it_holds_and_what_is_none_is_refused_at_once()
    {
        // One whose robot went silent and whose agent had no action to give.
        var arena = new Arena(_scenario, _scenario.DefaultSensor, Cases.Walk(_scenario), seed: 1) { Up = (_, _, now) => now is > 2_000_000 and < 3_000_000 ? [] : [200] };
        using (var recording = Begin(Path, options: new RobotWorldOptions { Seed = 1, Run = "arena", Term = 7 }))
        {
            arena.Recording = recording;
            arena.Begin();
            arena.Run();
        }

        Assert.True((await ReplayAsync(Path)).Completed);

        // The action of an agent that was shown nothing: nobody answers, and nobody waits.
        var lines = await File.ReadAllLinesAsync(Path);
        var at = Array.FindIndex(lines, l => l.Contains("\"event\":\"observation\"", StringComparison.Ordinal));
        var action = Array.FindIndex(lines, l => l.Contains("\"event\":\"action\"", StringComparison.Ordinal));
        await RefusedAsync([lines[0], lines[action], .. lines[1..]], "line 2: tick [0-9]+, episode 0, agent 0: expected an observation before its action, found none");
        await RefusedAsync([.. lines[..at], "{\"at\":1,\"event\":6}", .. lines[at..]], $"line {at + 1}: expected a line of a recording, found something else");
        await RefusedAsync([.. lines[..at], "{\"at\":1,\"event\":\"dance\"}", .. lines[at..]], $"line {at + 1}: expected a line of a recording, found something else");
        await RefusedAsync([.. lines[..at], "nonsense", .. lines[at..]], $"line {at + 1}: expected a line of a recording, found something else");
        await RefusedAsync([lines[0].Replace("\"episodes\":1", "\"episodes\":2000000000", StringComparison.Ordinal), .. lines[1..]], "episodes: expected 1 to 10000, found 2000000000");
    }

    [Theory]
    [InlineData(1e-300)]
    [InlineData(1e-9)]
    public void A_rate_that_is_none_is_refused(double rate)
    {
        var slow = _scenario with { Pacing = _scenario.Pacing with { Rate = rate } };

        Assert.StartsWith("crossing: pacing.rate: expected a period of 0.0001 to 3600 s, for robots, found 1E-", Assert.Throws<InvalidInputException>(() => new RobotWorld(slow, [slow.DefaultSensor], new RobotWorldOptions { Run = "r", Term = 1 })).Message, StringComparison.Ordinal);
        Assert.Contains("capabilities.rate", Assert.Throws<InvalidInputException>(() => EmulatedRobot.CapabilitiesOf(slow).Validate("r1")).Message, StringComparison.Ordinal);
    }

    private async Task RefusedAsync(string[] lines, string pattern)
    {
        var file = System.IO.Path.Combine(_folder.FullName, "altered.jsonl");
        await File.WriteAllLinesAsync(file, lines);
        var refused = await Assert.ThrowsAsync<InvalidInputException>(() => ReplayAsync(file));
        Assert.Matches(pattern, refused.Message);
        Assert.DoesNotContain("MimicD", refused.Message, StringComparison.Ordinal);
    }

    private async Task<RobotReplay> ReplayAsync(string file)
    {
        await using var host = new LocalHost(Cases.Walk(_scenario), 1);
        return await RobotReplay.RunAsync(file, host, CancellationToken.None);
    }

    private RobotRecording Begin(string path, bool overwrite = false, RobotWorldOptions? options = null)
        => new(path, new RobotRecordingHeader { Scenario = _scenario, Sensors = [_scenario.DefaultSensor], Options = options ?? new RobotWorldOptions { Run = "arena", Term = 7 }, Sampling = new SamplingSpec(), Policy = "straight" }, overwrite);
}
