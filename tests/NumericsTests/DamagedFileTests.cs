using System.Text;
using MimicD.Numerics;

namespace MimicD.NumericsTests;

/// <summary>
/// Files of numbers, damaged at random: each is read or refused with one line, and takes no more memory than the file accounts for.
/// </summary>
public sealed class DamagedFileTests : IDisposable
{
    private const int Rounds = 1500;
    private const long MostMemory = 1 << 20;

    private static readonly string[] Tokens =
    [
        "-1", "0", "1", "2", "3", "4", "8", "2147483647", "2147483648", "4294967295", "4294967296", "9223372036854775807",
        "99999999999999999999", "1e9", "0.5", "NaN", "null", "true", "True", "False", "'", "\"", "(", ")", "[", "]", "{",
        "}", ",", ":", " ", "\n", "\\", "\0", "\u001b", "<f8", ">f4", "<f2", "|i1", "<u8", ">i2", "|O", "<c16", "descr",
        "shape", "fortran_order", "data_offsets", "dtype", "F32", "F16", "__metadata__", "PK\u0001\u0002", "PK\u0003\u0004",
        "PK\u0005\u0006", "PK\u0006\u0006", "PK\u0006\u0007", "\u00ff\u00ff\u00ff\u00ff",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("mimicd-damaged-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_damaged_npy_file_is_read_or_refused() => Damage(
        [
            NpyTests.File(NpyTests.Header("<f8", "(3, 2, 2)"), new byte[96]),
            NpyTests.File(NpyTests.Header(">i2", "(2, 3)", fortran: true), new byte[12]),
            NpyTests.File(NpyTests.Header("|u1", "(4,)"), [1, 2, 3, 4], major: 2),
        ],
        file => ReadAll(type => type switch
        {
            0 => Npy.Read<double>(new MemoryStream(file), "damaged").Data.Length,
            1 => Npy.Read<float>(new MemoryStream(file), "damaged").Data.Length,
            2 => Npy.Read<int>(new MemoryStream(file), "damaged").Data.Length,
            _ => Npy.Read<long>(new MemoryStream(file), "damaged").Data.Length,
        }));

    [Fact]
    public void A_damaged_npz_file_is_read_or_refused()
    {
        using var stream = new MemoryStream();
        new NpzWriter().Add<double>("positions", new double[24], 2, 3, 2, 2).Add<int>("mode", new int[2], 2).Write(stream);
        Damage([stream.ToArray()], file =>
        {
            using var reader = new NpzReader(new MemoryStream(file), "damaged");
            foreach (var name in reader.Names.Where(reader.Has))
            {
                ReadAll(type => type switch
                {
                    0 => reader.Read<double>(name).Data.Length,
                    1 => reader.Read<float>(name).Data.Length,
                    2 => reader.Read<int>(name).Data.Length,
                    _ => reader.Read<long>(name).Data.Length,
                });
            }

            reader.Read<double>("positions");
        });
    }

    [Fact]
    public void A_damaged_safetensors_file_is_read_or_refused()
    {
        var file = new SafeTensors();
        file.Add("a", [1, 2, 3, 4], 2, 2);
        file.Add("b", [5], 1);
        file.Metadata["mimicd"] = "{}";
        var path = Path.Combine(_folder, "whole.safetensors");
        file.Write(path);
        Damage([File.ReadAllBytes(path)], bytes => SafeTensors.Parse(bytes, "damaged"));
    }

    [Fact]
    public void A_damaged_gz_file_is_read_or_refused()
    {
        using var stream = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(stream, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true))
        {
            gzip.Write(Encoding.UTF8.GetBytes(string.Join('\n', Enumerable.Range(0, 50))));
        }

        Damage([stream.ToArray()], bytes => GzipFile.Read(new MemoryStream(bytes), "damaged"));
    }

    /// <summary>Reads as each type; an array that is no array of one may be one of another.</summary>
    private static void ReadAll(Func<int, int> read)
    {
        InvalidDataException? refusal = null;
        for (var type = 0; type < 4; type++)
        {
            try
            {
                read(type);
            }
            catch (InvalidDataException e)
            {
                refusal = e;
            }
        }

        if (refusal is not null)
        {
            throw refusal;
        }
    }

    private static void Damage(byte[][] whole, Action<byte[]> read)
    {
        const int Seed = 15;
        // What is compiled or set up at the first call is not the file's.
        Array.ForEach(whole, file => Outcome(file, read, out _));
        for (var round = 0; round < Rounds; round++)
        {
            var random = new Random((Seed * 1_000_003) + round);
            var file = Damaged(whole[random.Next(whole.Length)], random);
            var error = Outcome(file, read, out var memory);
            var which = $"seed {Seed}, round {round}, {file.Length} bytes: {Convert.ToHexString(file)}";
            Assert.True(error is null or InvalidDataException, $"{which}: {error}");
            var line = error?.Message ?? "damaged";
            Assert.True(line.Contains("damaged", StringComparison.Ordinal) && !line.Any(char.IsControl), $"{which}: {line}");
            Assert.True(memory < MostMemory, $"{which}: {memory} bytes taken");
        }
    }

    private static Exception? Outcome(byte[] file, Action<byte[]> read, out long memory)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Record.Exception(() => read(file));
        memory = GC.GetAllocatedBytesForCurrentThread() - before;
        return error;
    }

    private static byte[] Damaged(byte[] whole, Random random)
    {
        var file = new List<byte>(whole);
        for (var changes = random.Next(1, 4); changes > 0 && file.Count > 0; changes--)
        {
            var at = random.Next(file.Count);
            switch (random.Next(7))
            {
                case 0:
                    file[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    file[at] = (byte)random.Next(256);
                    break;
                case 2:
                    file.RemoveRange(at, file.Count - at);
                    break;
                case 3:
                    file.RemoveRange(at, random.Next(Math.Min(16, file.Count - at) + 1));
                    break;
                case 4:
                    file.InsertRange(at, [.. file.Skip(random.Next(file.Count)).Take(random.Next(32))]);
                    break;
                default:
                    var token = Encoding.Latin1.GetBytes(Tokens[random.Next(Tokens.Length)]);
                    if (random.Next(2) == 0)
                    {
                        file.RemoveRange(at, Math.Min(token.Length, file.Count - at));
                    }

                    file.InsertRange(at, token);
                    break;
            }
        }

        return [.. file];
    }
}
