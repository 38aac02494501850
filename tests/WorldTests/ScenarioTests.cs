using MimicD.Contracts;

namespace MimicD.World.Tests;

public class ScenarioTests
{
    internal static readonly string Folder = FindScenarios();

    private const string Small = """
        { // comments are allowed
          "name": "small", "timeStep": 0.1, "steps": 10, "goalTolerance": 1,
          "bodies": [ { "start": [0, 0], "goal": [4, 0] }, { "start": [4, 0], "goal": [0, 0] }, ],
          "collision": { "limits": [ { "name": "contact", "pair": 0.5 } ], "contact": "contact" },
          "dynamics": { "kind": "kinematic" }
        }
        """;

    private static string FindScenarios()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "scenarios", "swap.json")))
            {
                return Path.Combine(folder.FullName, "scenarios");
            }
        }

        throw new DirectoryNotFoundException("no scenarios/swap.json above " + AppContext.BaseDirectory);
    }

    internal static Scenario Parse(params (string Old, string New)[] changes)
        => Scenario.Parse(changes.Aggregate(Small, (text, c) =>
        {
            Assert.Contains(c.Old, text, StringComparison.Ordinal);
            return text.Replace(c.Old, c.New, StringComparison.Ordinal);
        }), "small.json");

    [Fact]
    public void The_shipped_scenarios_load()
    {
        var swap = Scenario.Load(Path.Combine(Folder, "swap.json"));
        Assert.Equal(2, swap.Agents);
        Assert.Equal(100, swap.Steps);
        Assert.Equal(2.25, swap.Collision.ContactLimit.Pair);
        Assert.Equal(8, Scenario.Load(Path.Combine(Folder, "ring.json")).Agents);
    }

    [Fact]
    public void The_two_laws_of_the_road_differ_in_one_agent_s_places()
    {
        var road = Scenario.Load(Path.Combine(Folder, "road.json"));
        var authors = Scenario.Load(Path.Combine(Folder, "road-authors.json"));
        Assert.Equal((3, 2, 100, 0.75, 0.5, ModeRule.Winding), (road.Agents, road.Dimensions, road.Steps, road.Collision.Experts!.Pair, road.Collision.ContactLimit.Pair, road.Modes));
        Assert.Equal([0.375, 0.5, 0.675, 0.74], road.Collision.Limits.Select(l => l.Pair).Order());
        Assert.Equal([-Math.PI / 2, Math.PI / 2, 0], road.Bodies!.Select(b => b.Heading!.Value));
        var options = new Experts.RoadExpertOptions();
        Assert.Equal(options.Starts, road.Bodies!.SelectMany(b => b.Start));
        Assert.Equal(options.Goals, road.Bodies!.SelectMany(b => b.Goal));
        Assert.Equal(options.Spread, road.Demonstrations!.Starts.Scale);
        var (ours, theirs) = (road.DrawStarts(7, 50), authors.DrawStarts(7, 50));
        Assert.All(ours.Zip(theirs).Index(), x => Assert.Equal(x.Index % 6 == 2 ? 0.25 : 0, x.Item.Second - x.Item.First, 9));
        for (var i = 0; i < ours.Length; i += 6)
        {
            Assert.True(Distance(ours[i..(i + 2)], ours[(i + 4)..(i + 6)]) > 0.75);
        }
    }

    [Theory]
    [InlineData("a\0b", "U+0000")]
    [InlineData("a\u001b[2Jb", "U+001B")]
    [InlineData("a\nb", "U+000A")]
    [InlineData("a\u0085b", "U+0085")]
    [InlineData("a\u202eb", "U+202E")]
    [InlineData("a\u2028b", "U+2028")]
    public void A_name_has_no_character_that_a_terminal_or_a_picture_would_obey(string name, string character)
        => Assert.Equal($"file: name: expected a name without control characters, found the character {character}", Assert.Throws<InvalidInputException>(() => Names.Require(name, "file", "name")).Message);

    [Fact]
    public void A_name_may_be_of_any_language()
    {
        foreach (var name in new[] { "swap", "Täglich 2", "路口", "ring \ud83d\ude97 2" })
        {
            Names.Require(name, "file", "name");
        }
    }

    [Fact]
    public void A_ring_of_the_most_agents_is_accepted()
    {
        var ring = Scenario.Load(Path.Combine(Folder, "ring.json"));
        Assert.Equal(104_305, ring.WithAgents(Scenario.MaxAgents).Steps);
        var brief = Scenario.Load(Path.Combine(Folder, "ring.json"), [JsonChange.Parse("circle.cruise=null", "--set"), JsonChange.Parse($"agents={Scenario.MaxAgents}", "--set")]);
        Assert.Equal((Scenario.MaxAgents, 200), (brief.Agents, brief.Steps));
    }

    [Theory]
    [InlineData("\"steps\"", "\"step\"", "unknown key 'step'")]
    [InlineData("\"pair\": 0.5", "\"pair\": 0.5, \"pare\": 1", "unknown key")]
    [InlineData("\"steps\": 10", "\"steps\": \"ten\"", "'steps'")]
    [InlineData("\"steps\": 10", "\"steps\": 1", "steps: expected 2 to")]
    [InlineData("\"timeStep\": 0.1, ", "", "timeStep")]
    [InlineData("\"timeStep\": 0.1", "\"timeStep\": 0", "timeStep: expected above 0, found 0")]
    [InlineData("[4, 0], \"goal\": [0, 0]", "[4, NaN], \"goal\": [0, 0]", "small.json: line")]
    [InlineData("[4, 0], \"goal\": [0, 0]", "[4, 1e999], \"goal\": [0, 0]", "'bodies[1].start[1]': expected a")]
    [InlineData("[4, 0], \"goal\": [0, 0]", "[4], \"goal\": [0, 0]", "bodies[1].start: expected 2 numbers, found 1")]
    [InlineData("[4, 0], \"goal\": [0, 0]", "[4, 0]", "goal")]
    [InlineData("[4, 0], \"goal\": [0, 0]", "[4, 0], \"goal\": [0, 0], \"heading\": 1e999", "'bodies[1].heading': expected a")]
    [InlineData("\"contact\": \"contact\"", "\"contact\": \"bump\"", "collision.contact: expected the name of one of the limits, found bump")]
    [InlineData("\"kinematic\"", "\"flying\"", "dynamics.kind")]
    [InlineData("\"kinematic\"", "\"unicycle\"", "dynamics.maxSpeed: expected a number above 0")]
    [InlineData("\"kinematic\"", "7", "dynamics.kind")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"modes\": \"swap\", \"dimensions\": 3", "bodies[0].start: expected 3 numbers")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"sensing\": { \"dropout\": 1.5 }", "sensing.dropout: expected 0 to 1, found 1.5")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"pacing\": { \"kind\": \"realtime\", \"deadline\": 3 }", "pacing.deadline")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"circle\": { \"agents\": 3, \"radius\": 1, \"spacing\": 1 }", "either bodies or circle, found both")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"features\": { \"others\": { \"order\": \"identity\", \"count\": 3 } }", "sensor.others.count: expected 1")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"sensing\": { \"range\": 5 }, \"features\": { \"others\": { \"order\": \"identity\" } }", "sensor.others.presence: expected true")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"goalTolerance\": 2", "goalTolerance")]
    [InlineData("\"timeStep\": 0.1", "\"timeStep\": 1e12", "timeStep: expected 1E-06 to 1000000 s, found 1000000000000")]
    [InlineData("\"timeStep\": 0.1", "\"timeStep\": 1e-300", "timeStep: expected 1E-06 to 1000000 s")]
    [InlineData("[4, 0], \"goal\": [0, 0]", "[4, 1e300], \"goal\": [0, 0]", "bodies[1].start: expected numbers within 1000000000 m, found 1E+300")]
    [InlineData("\"pair\": 0.5", "\"pair\": 1e308", "pair: expected above 0, at most 1000000000, found 1E+308")]
    [InlineData("\"pair\": 0.5", "\"pair\": 0.5, \"obstacle\": 1e308", "obstacle: expected above 0, at most 1000000000")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1e300", "goalTolerance: expected above 0, at most 1000000000")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"pacing\": { \"kind\": \"realtime\", \"rate\": 1e-300 }", "pacing.rate: expected 1E-06 to 10000")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"starts\": { \"law\": \"uniform\", \"scale\": 1e300 }", "starts.scale: expected 0 to 1000000000")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"bounds\": { \"low\": [-1e300, null], \"high\": [null, null] }", "bounds.low: expected numbers within")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"obstacles\": [{ \"centre\": [0, 0], \"radius\": 1e300 }]", "obstacles[0].radius: expected above 0, at most")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"sensing\": { \"range\": 1e300 }", "sensing.range: expected above 0, at most")]
    [InlineData("\"kinematic\"", "\"kinematic\", \"maxSpeed\": 1e300", "dynamics.maxSpeed: expected above 0, at most")]
    [InlineData("\"name\": \"contact\"", "\"name\": \"con\\u001btact\"", "collision.limits: name: expected a name without control characters, found the character U+001B")]
    [InlineData("\"kinematic\"", "1", "'dynamics.kind': expected kinematic, unicycle or doubleIntegrator, found 1")]
    [InlineData("\"kinematic\"", "\"1\"", "'dynamics.kind': expected kinematic, unicycle or doubleIntegrator, found")]
    [InlineData("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"agents\": 3", "unknown key 'agents'")]
    public void A_bad_file_is_refused_in_one_line_that_names_the_file_and_the_field(string old, string replacement, string expected)
    {
        var error = Assert.Throws<InvalidInputException>(() => Parse((old, replacement)));
        Assert.StartsWith("small.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_missing_file_is_refused()
        => Assert.Contains("cannot be read", Assert.Throws<InvalidInputException>(() => Scenario.Load("no/such.json")).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(64)]
    [InlineData(32768)]
    public void A_circle_of_any_size_has_antipodal_goals_and_keeps_its_spacing(int agents)
    {
        var ring = Scenario.Load(Path.Combine(Folder, "ring.json")).WithAgents(agents);
        var bodies = ring.NominalBodies();
        Assert.Equal(agents, bodies.Length);
        Assert.Equal(agents, ring.Agents);
        var radius = ring.Circle!.ActualRadius;
        for (var i = 0; i < agents; i++)
        {
            Assert.Equal(2 * radius, Distance(bodies[i].Start, bodies[i].Goal), 9);
            Assert.True(Distance(bodies[i].Start, bodies[(i + 1) % agents].Start) >= ring.Circle.Spacing - 1e-9);
        }

        Assert.True((ring.Steps - 1) * ring.TimeStep * ring.Circle.Cruise!.Value >= 2 * radius);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(32769)]
    public void A_circle_of_a_wrong_size_is_refused(int agents)
        => Assert.Contains("circle.agents: expected 2 to 32768", Assert.Throws<InvalidInputException>(() => Scenario.Load(Path.Combine(Folder, "ring.json")).WithAgents(agents)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_circle_that_takes_for_ever_to_cross_is_refused()
    {
        var ring = Scenario.Load(Path.Combine(Folder, "ring.json"));
        Assert.Contains("steps: expected 2 to", Assert.Throws<InvalidInputException>(() => (ring with { Circle = ring.Circle! with { Cruise = 1e-7 } }).WithAgents(8)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Listed_bodies_cannot_be_multiplied()
        => Assert.Contains("lists its bodies", Assert.Throws<InvalidInputException>(() => Parse().WithAgents(3)).Message, StringComparison.Ordinal);

    [Fact]
    public void The_starts_of_an_episode_do_not_depend_on_how_many_episodes_there_are()
    {
        var swap = Scenario.Load(Path.Combine(Folder, "swap.json"));
        var few = swap.DrawStarts(5, 3);
        Assert.Equal(few, swap.DrawStarts(5, 10)[..few.Length]);
        Assert.NotEqual(few, swap.DrawStarts(6, 3));
    }

    [Fact]
    public void Mirrored_starts_are_mirror_images()
    {
        var (mirror, swap) = (Scenario.Load(Path.Combine(Folder, "mirror-swap.json")), Scenario.Load(Path.Combine(Folder, "swap.json")));
        var (starts, apart) = (mirror.DrawStarts(5, 50), swap.DrawStarts(5, 50));
        for (var e = 0; e < 50; e++)
        {
            Assert.Equal(20, starts[4 * e] + starts[4 * e + 2], 1e-9);
            Assert.Equal(starts[4 * e + 1], starts[4 * e + 3]);
            Assert.Equal(apart[4 * e], starts[4 * e]);
        }
    }

    [Fact]
    public void Spread_starts_have_the_law_s_moments()
    {
        var swap = Scenario.Load(Path.Combine(Folder, "swap.json"));
        var starts = swap.DrawStarts(1, 4000);
        var offsets = starts.Select((x, i) => x - (i % 4 == 2 ? 20 : 0)).ToArray();
        // 16,000 draws: the mean's deviation is 0.0032, the deviation's 0.0022; five of each.
        Assert.InRange(offsets.Average(), -0.016, 0.016);
        Assert.InRange(Math.Sqrt(offsets.Average(x => x * x)), 0.389, 0.411);
        var goals = (swap with { Goals = new SpreadLaw { Law = SpreadKind.Uniform, Scale = 1 } }).DrawGoals(1, 4000).Select((x, i) => x - (i % 4 == 0 ? 20 : 0)).ToArray();
        Assert.All(goals, g => Assert.InRange(g, -1, 1));
        Assert.InRange(Math.Sqrt(goals.Average(x => x * x)), 0.56, 0.595);
    }

    [Fact]
    public void A_separation_is_kept_by_redrawing_and_refused_where_it_cannot_be()
    {
        var apart = Parse(("\"goalTolerance\": 1", "\"goalTolerance\": 1, \"separation\": 3.5, \"starts\": { \"law\": \"uniform\", \"scale\": 1 }"));
        var starts = apart.DrawStarts(3, 200);
        for (var e = 0; e < 200; e++)
        {
            Assert.True(Distance(starts[(4 * e)..(4 * e + 2)], starts[(4 * e + 2)..(4 * e + 4)]) > 3.5);
        }

        Assert.Contains("separation", Assert.Throws<InvalidInputException>(() => (apart with { Separation = 50 }).DrawStarts(3, 1)).Message, StringComparison.Ordinal);
    }

    internal static double Distance(double[] a, double[] b) => Math.Sqrt(a.Zip(b, (x, y) => (x - y) * (x - y)).Sum());
}
