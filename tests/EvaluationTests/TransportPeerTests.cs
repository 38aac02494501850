using System.Diagnostics;
using System.Text.Json;
using MimicD.Contracts;
using MimicD.Numerics;

namespace MimicD.EvaluationTests;

/// <summary>Assignment, transport and Frechet distances against SciPy and a table filled by NumPy.</summary>
public sealed class TransportPeerTests
{
    private const ulong Seed = 20261122;

    [Fact]
    public void Assignment_transport_and_Frechet_distances_equal_SciPy()
    {
        var random = new CounterRandom(Seed, RandomPurpose.Resampling);
        var shapes = new[] { (1, 1), (1, 5), (5, 1), (7, 7), (6, 9), (9, 6), (12, 8), (30, 30), (25, 40), (40, 25), (17, 23) };
        var costs = shapes.Select((s, i) => Enumerable.Range(0, s.Item1).Select(_ => Enumerable.Range(0, s.Item2)
            // Every other one has few distinct costs, so that ties are common.
            .Select(_ => i % 2 == 0 ? random.NextUniform(0, 10) : random.NextInt32(6)).ToArray()).ToArray()).ToArray();
        var paths = new[] { (1, 1, 2), (1, 8, 4), (8, 1, 4), (30, 40, 4), (41, 37, 6), (25, 25, 2), (100, 100, 4), (9, 64, 3) }
            .Select(s => new[] { Walk(ref random, s.Item1, s.Item3), Walk(ref random, s.Item2, s.Item3) }).ToArray();

        var peer = Run(StrictJson.Format(new { costs, paths }));

        for (var i = 0; i < costs.Length; i++)
        {
            var (rows, columns) = shapes[i];
            double[] cost = [.. costs[i].SelectMany(r => r)];
            Close(peer.Transport[i], Transport.EqualWeights(cost, rows, columns), $"transport {rows} x {columns}");
            if (peer.Assignment[i] is { } expected)
            {
                Close(expected, Assignment.Solve(cost, rows, columns, new int[rows]), $"assignment {rows} x {columns}");
            }
        }

        for (var i = 0; i < paths.Length; i++)
        {
            Close(peer.Frechet[i], DiscreteFrechet.Distance([.. paths[i][0].SelectMany(p => p)], [.. paths[i][1].SelectMany(p => p)], paths[i][0][0].Length), $"Frechet {i}");
        }
    }

    private static void Close(double expected, double found, string what)
        => Assert.True(Math.Abs(expected - found) <= 1e-9 * Math.Max(1, Math.Abs(expected)), $"seed {Seed}, {what}: expected {expected:R}, found {found:R}");

    private static double[][] Walk(ref CounterRandom random, int points, int dimensions)
    {
        var walk = new double[points][];
        for (var t = 0; t < points; t++)
        {
            walk[t] = new double[dimensions];
            for (var d = 0; d < dimensions; d++)
            {
                walk[t][d] = (t == 0 ? 0 : walk[t - 1][d]) + random.NextNormal();
            }
        }

        return walk;
    }

    private static PeerResult Run(string input)
    {
        var folder = Directory.CreateTempSubdirectory("mimicd-transport-");
        try
        {
            var (from, to) = (Path.Combine(folder.FullName, "in.json"), Path.Combine(folder.FullName, "out.json"));
            File.WriteAllText(from, input);
            // Debian's interpreter, since Debian's python3-scipy is what './mimicd test' installs.
            var start = new ProcessStartInfo("/usr/bin/python3", [Path.Combine(AppContext.BaseDirectory, "transport_peer.py"), from, to]) { RedirectStandardError = true, UseShellExecute = false };
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.True(process.ExitCode == 0, $"the SciPy peer failed (it needs python3-scipy and python3-numpy): {errors}");
            return JsonSerializer.Deserialize<PeerResult>(File.ReadAllText(to), JsonSerializerOptions.Web)!;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private sealed record PeerResult(double[] Transport, double?[] Assignment, double[] Frechet);
}
