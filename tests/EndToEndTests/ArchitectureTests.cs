using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.EndToEndTests;

/// <summary>The "never" rules of the house, read from the built assemblies.</summary>
public class ArchitectureTests
{
    private static readonly string[] Base = ["MimicD.Contracts", "MimicD.Numerics"];

    // Who may know whom: Contracts, Numerics < Agents, World < Training, Cluster, Bridges < Evaluation < the command. A cluster carries observations and actions, and needs no world for it.
    private static readonly Dictionary<string, string[]> MayReference = new(StringComparer.Ordinal)
    {
        ["MimicD.Contracts"] = [],
        ["MimicD.Numerics"] = [],
        ["MimicD.Agents"] = Base,
        ["MimicD.World"] = Base,
        ["MimicD.Training"] = [.. Base, "MimicD.Agents", "MimicD.World"],
        ["MimicD.Cluster"] = [.. Base, "MimicD.Agents"],
        ["MimicD.Bridges"] = [.. Base, "MimicD.Agents", "MimicD.World"],
        ["MimicD.Evaluation"] = [.. Base, "MimicD.Agents", "MimicD.World", "MimicD.Training", "MimicD.Cluster", "MimicD.Bridges"],
        ["mimicd"] = [.. Base, "MimicD.Agents", "MimicD.World", "MimicD.Training", "MimicD.Cluster", "MimicD.Bridges", "MimicD.Evaluation"],
    };

    private static readonly string Here = AppContext.BaseDirectory;

    private static readonly string[] RoomNames = [.. Directory.EnumerateFiles(Here, "*.dll").Select(f => Path.GetFileNameWithoutExtension(f)).Where(IsRoom).Order(StringComparer.Ordinal)];

    public static TheoryData<string> Rooms => [.. RoomNames];

    [Fact]
    public void All_rooms_of_the_solution_are_here_and_known()
    {
        var source = Path.Combine(EntryPoint.Root, "src");
        var expected = Directory.EnumerateFiles(source, "*.csproj", SearchOption.AllDirectories).Select(f => Path.GetFileNameWithoutExtension(f)).Select(n => n == "Cli" ? "mimicd" : $"MimicD.{n}");

        Assert.Equal(expected.Order(StringComparer.Ordinal), RoomNames);
        Assert.All(RoomNames, r => Assert.Contains(r, MayReference.Keys));
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void A_room_references_only_rooms_below_it(string room)
        => Assert.Empty(References(Path.Combine(Here, room + ".dll")).Where(IsRoom).Except(MayReference[room], StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Rooms))]
    public void Only_training_reaches_libtorch(string room)
    {
        if (room != "MimicD.Training")
        {
            Assert.DoesNotContain(NativeImports(Path.Combine(Here, room + ".dll")), IsTorch);
            Assert.DoesNotContain("System.Runtime.InteropServices.NativeLibrary", TypesUsed(Path.Combine(Here, room + ".dll")));
        }
    }

    [Theory]
    [MemberData(nameof(Rooms))]
    public void Only_the_cluster_reaches_the_broker_and_the_wire_format(string room)
    {
        if (room != "MimicD.Cluster")
        {
            Assert.DoesNotContain(References(Path.Combine(Here, room + ".dll")), r => r.StartsWith("RabbitMQ", StringComparison.Ordinal) || r.StartsWith("Google.Protobuf", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Nothing_that_an_agent_can_reach_leads_to_another_agent_or_to_the_world()
        => Assert.Empty(Reach.Forbidden([typeof(Agent), .. typeof(Agent).Assembly.GetTypes().Where(t => t.IsAssignableTo(typeof(IPolicy)))], Forbidden));

    [Fact]
    public void An_observation_and_an_action_carry_ids_and_numbers_alone()
    {
        Type[] allowed = [typeof(EpisodeId), typeof(AgentId), typeof(Tick), typeof(ReadOnlyMemory<float>), typeof(ActionStatus)];
        foreach (var message in new[] { typeof(Observation), typeof(AgentAction) })
        {
            Assert.All(message.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public), f => Assert.Contains(f.FieldType, allowed));
        }
    }

    // What follows shows that the checks can fail: each is put before something deliberately wrong in this test assembly.
    [Fact]
    public void The_checks_see_a_forbidden_reference()
        => Assert.Contains("MimicD.World", References(typeof(ArchitectureTests).Assembly.Location));

    [Fact]
    public void The_checks_see_a_native_import()
        => Assert.Contains(NativeImports(typeof(ArchitectureTests).Assembly.Location), IsTorch);

    [Theory]
    [InlineData(typeof(Wrong.HoldsHost))]
    [InlineData(typeof(Wrong.TakesSink))]
    [InlineData(typeof(Wrong.HoldsOthers))]
    [InlineData(typeof(Wrong.Indirect))]
    [InlineData(typeof(Wrong.UsesStaticMailbox))]
    [InlineData(typeof(Wrong.LeavesNote))]
    [InlineData(typeof(Wrong.SharesBoard))]
    public void The_checks_see_an_agent_that_could_talk(Type wrong)
        => Assert.NotEmpty(Reach.Forbidden([wrong], Forbidden));

    [Fact]
    public void The_checks_know_our_own_mailboxes()
        => Assert.All(OwnMailboxes, name => Assert.NotNull(typeof(Agent).Assembly.GetType(name)));

    [Fact]
    public void The_checks_pass_an_agent_that_keeps_to_itself()
        => Assert.Empty(Reach.Forbidden([typeof(Wrong.KeepsToItself)], Forbidden));

    /// <summary>Ways out of an agent: hosts, sinks, mailboxes, channels, pipes and sockets; and other agents: only an agent itself may name its own type, and not keep one.</summary>
    private static bool Forbidden(Type type, Type? from)
    {
        var space = type.Namespace ?? "";
        return type == typeof(IAgentHost) || type == typeof(IActionSink)
            || type.IsAssignableTo(typeof(IAgentHost)) || type.IsAssignableTo(typeof(IActionSink))
            || space.StartsWith("System.Threading.Tasks.Dataflow", StringComparison.Ordinal)
            || space.StartsWith("System.Threading.Channels", StringComparison.Ordinal)
            || space.StartsWith("System.IO.Pipes", StringComparison.Ordinal)
            || space.StartsWith("System.Net", StringComparison.Ordinal)
            || space.StartsWith("MimicD.World", StringComparison.Ordinal)
            || type == typeof(PlanTable) || type == typeof(IAwaitsPlan) || OwnMailboxes.Contains(type.FullName)
            || (type == typeof(Agent) && from != typeof(Agent));
    }

    // They are internal, and so known by their names; a test holds that there are such types.
    private static readonly string[] OwnMailboxes = ["MimicD.Agents.Mailbox", "MimicD.Agents.Dispatcher"];

    private static bool IsRoom(string name) => name == "mimicd" || (name.StartsWith("MimicD.", StringComparison.Ordinal) && !name.EndsWith("Tests", StringComparison.Ordinal));

    private static bool IsTorch(string library) => library.Contains("torch", StringComparison.OrdinalIgnoreCase) || library.Contains("c10", StringComparison.OrdinalIgnoreCase);

    private static T Read<T>(string file, Func<MetadataReader, T> read)
    {
        using var stream = File.OpenRead(file);
        using var image = new PEReader(stream);
        return read(image.GetMetadataReader());
    }

    private static string[] References(string file) => Read(file, m => m.AssemblyReferences.Select(r => m.GetString(m.GetAssemblyReference(r).Name)).ToArray());

    private static string[] NativeImports(string file) => Read(file, m => m.MethodDefinitions.Select(h => m.GetMethodDefinition(h).GetImport())
        .Where(i => !i.Module.IsNil).Select(i => m.GetString(m.GetModuleReference(i.Module).Name)).Distinct(StringComparer.Ordinal).ToArray());

    private static string[] TypesUsed(string file) => Read(file, m => m.TypeReferences.Select(h => m.GetTypeReference(h)).Select(t => $"{m.GetString(t.Namespace)}.{m.GetString(t.Name)}").ToArray());
}
