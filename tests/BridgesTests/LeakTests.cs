using System.Runtime.Versioning;
using MimicD.Bridges.Mqtt;
using Xunit.Abstractions;

namespace MimicD.BridgesTests;

/// <summary>No agent's robot hears or speaks for another through a broker that is set up as we say.</summary>
[SupportedOSPlatform("linux")]
public sealed class LeakTests(ITestOutputHelper output) : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mimicd-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task With_the_recipe_no_robot_hears_or_speaks_for_another()
    {
        var robots = Robots(20);
        var recipe = Path.Combine(_folder.FullName, "recipe");
        await using var broker = await BrokerRecipeTests.StartAsync(recipe, robots);
        await using var matrix = new LeakMatrix(robots, robot => new MqttOptions
        {
            Broker = broker.Address,
            Tls = BrokerRecipe.Tls(recipe, robot),
            Version = robot is null || robots.IndexOf(robot) % 2 == 0 ? MqttVersion.V5 : MqttVersion.V311,
        });
        await matrix.RunAsync();

        output.WriteLine($"{matrix.Attempts} attempts; {matrix.Right} messages came right, {matrix.WrongBytes} bytes wrong");
        Assert.Empty(matrix.Wrong);
        Assert.Equal(0, matrix.WrongBytes);
        Assert.Equal(0, matrix.CutOff);
        Assert.True(matrix.Right >= robots.Count * 8, $"{matrix.Right} messages came right");
    }

    [Fact]
    public async Task Without_rights_the_same_attempts_are_heard_all_over()
    {
        var robots = Robots(4);
        await using var broker = await MosquittoBroker.StartAsync(new MosquittoBrokerSettings(), TimeProvider.System, CancellationToken.None);
        await using var matrix = new LeakMatrix(robots, robot => new MqttOptions { Broker = broker.Address, ClientId = robot ?? "agents" });
        await matrix.RunAsync();

        output.WriteLine($"{matrix.Attempts} attempts; {matrix.Right} messages came right, {matrix.WrongBytes} bytes wrong");
        Assert.All(robots, robot =>
        {
            Assert.Contains(matrix.Wrong, w => w.StartsWith($"'{robot}' heard", StringComparison.Ordinal));
            Assert.All(robots.Where(r => r != robot), other =>
            {
                Assert.Contains($"'{other}' heard '{robot} {other} ' on {LeakMatrix.Topic(other, "cmd")}", matrix.Wrong);
                Assert.Contains($"'{other}' heard '{robot} {other} will' on {LeakMatrix.Topic(other, "cmd")}", matrix.Wrong);
                Assert.Contains($"'' heard '{robot}  ' on {LeakMatrix.Topic(other, "conn")}", matrix.Wrong);
            });
        });
        Assert.NotEqual(0, matrix.CutOff);
    }

    private static List<string> Robots(int count) => [.. Enumerable.Range(1, count).Select(i => $"r{i}")];
}
