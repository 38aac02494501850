using System.CommandLine;
using MimicD.Cli;
using MimicD.Contracts;

namespace MimicD.EndToEndTests;

/// <summary>Numbers and truth values on the command line, in every option and argument of every verb.</summary>
public sealed class StrictValuesTests
{
    private static readonly string[] NoNumbers =
    [
        "1,5", "1.000,5", "1 000", "1'000", "1_000", " 1", "1 ", "+1", "0x10", "1e", "e5", "--1", "1-", "1.2.3", "NaN", "nan", "Infinity", "-Infinity", "1e999", "\u0661", "\u22121", "1\u00a0000", "1f", "1d", "(1)", "$1", "1%", ".", "-", "true", "many",
    ];

    private static readonly string[] NotWhole = ["1.5", "1.0", "1e3", "99999999999999999999"];

    /// <summary>Verb and option (or argument) of every value that is a number.</summary>
    public static TheoryData<string, string> Numbers()
    {
        var data = new TheoryData<string, string>();
        foreach (var (path, symbol) in Symbols(CommandLine.Create(), ""))
        {
            if (IsNumber(TypeOf(symbol)))
            {
                data.Add(path, symbol.Name);
            }
        }

        Assert.True(data.Count > 40);
        return data;
    }

    [Theory]
    [MemberData(nameof(Numbers))]
    public void A_number_is_read_strictly(string path, string name)
    {
        var root = CommandLine.Create();
        var symbol = Symbols(root, "").Single(s => s.Path == path && s.Symbol.Name == name).Symbol;
        var type = TypeOf(symbol);
        var whole = (Nullable.GetUnderlyingType(type) ?? type) != typeof(double);
        foreach (var text in NoNumbers.Concat(whole ? NotWhole : []))
        {
            var complaint = CommandLine.Complaint(Parse(root, path, symbol, text));
            Assert.True(complaint is not null, $"{path} {name} takes '{text}'");
            Assert.StartsWith($"{name}: expected ", complaint, StringComparison.Ordinal);
            Assert.EndsWith($", found {text}", complaint, StringComparison.Ordinal);
        }

        foreach (var text in new[] { "0", "7", "0012" }.Concat(whole ? [] : ["1.5", "-1.5e-3", ".5", "2E+1"]))
        {
            Assert.DoesNotContain(name + ":", CommandLine.Complaint(Parse(root, path, symbol, text)) ?? "", StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_decimal_comma_is_no_thousands_separator()
    {
        var root = CommandLine.Create();
        Assert.Equal("--guidance: expected a number such as 1.5 (decimal point), found 1,5", CommandLine.Complaint(root.Parse(["run", "--guidance", "1,5"])));
        Assert.Equal("--guidance: expected a number such as 1.5 (decimal point), found 1,5", CommandLine.Complaint(root.Parse(["run", "--guidance=1,5"])));
        Assert.Equal("--episodes: expected a whole number such as 15, found 1e3", CommandLine.Complaint(root.Parse(["run", "--episodes", "1e3"])));
        Assert.Equal("--episodes: expected -2147483648 to 2147483647, found 3000000000", CommandLine.Complaint(root.Parse(["run", "--episodes", "3000000000"])));
        Assert.Null(CommandLine.Complaint(root.Parse(["run", "--guidance", "1.5", "--seed", "18446744073709551615", "--project", "false"])));
    }

    [Fact]
    public void A_truth_value_is_true_or_false_and_the_message_names_no_type()
    {
        var root = CommandLine.Create();
        foreach (var args in new string[][] { ["--project", "1"], ["--project=yes"], ["--full=maybe"], ["--full", "0"] })
        {
            var complaint = CommandLine.Complaint(root.Parse(["run", "swap", .. args]));
            Assert.NotNull(complaint);
            Assert.DoesNotContain("System", complaint, StringComparison.Ordinal);
        }

        Assert.Null(CommandLine.Complaint(root.Parse(["run", "--full"])));
        Assert.True(root.Parse(["run", "--full"]).CommandResult.GetValue<bool>("--full"));
        Assert.False(root.Parse(["run"]).CommandResult.GetValue<bool>("--full"));
    }

    [Fact]
    public void An_option_of_a_type_that_nobody_said_how_to_read_is_found_when_the_command_is_made()
        => Assert.Throws<NotSupportedException>(() => StrictValues.Install(new Command("x") { new Option<decimal>("--y") }));

    [Theory]
    [InlineData("unknown verb 'rnu' (did you mean 'run'?) (see mimicd --help)", "rnu")]
    [InlineData("unknown verb 'evalute' (did you mean 'evaluate'?) (see mimicd --help)", "evalute")]
    [InlineData("unknown verb 'fly' (see mimicd --help)", "fly")]
    [InlineData("unknown option '--episode' (did you mean '--episodes'?) (see mimicd run --help)", "run", "--episode", "3")]
    [InlineData("unknown option '--guidence' (did you mean '--guidance'?) (see mimicd run --help)", "run", "--guidence=2")]
    [InlineData("unknown option '--frobnicate' (see mimicd run --help)", "run", "--frobnicate", "1")]
    [InlineData("unexpected argument 'statsu' (did you mean 'status'?) (see mimicd cluster --help)", "cluster", "statsu")]
    public void What_is_not_known_is_named_with_what_was_meant(string complaint, params string[] args)
        => Assert.Equal(complaint, CommandLine.Complaint(CommandLine.Create().Parse(args)));

    [Theory]
    [InlineData("scenarios", "rod", "road")]
    [InlineData("scenarios", "swap-robot", "swap-robots")]
    [InlineData("presets", "smal", "small")]
    [InlineData("sweeps", "papre", "paper")]
    [InlineData("models", "swpa", "swap")]
    public void A_name_of_nothing_that_comes_with_the_program_is_refused_with_what_was_meant(string folder, string name, string meant)
        => Assert.EndsWith($"found neither (did you mean '{meant}'?)", Assert.Throws<InvalidInputException>(() => Repository.Shipped(folder, name)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("scenarios", "road", ".json")]
    [InlineData("models", "swap", ".safetensors")]
    public void A_bare_name_is_a_file_that_comes_with_the_program(string folder, string name, string ending)
    {
        Assert.EndsWith($"{folder}/{name}{ending}", Repository.Shipped(folder, name), StringComparison.Ordinal);
        Assert.Equal($"./{name}", Repository.Shipped(folder, $"./{name}"));
        Assert.Equal(name + ending, Repository.Shipped(folder, name + ending));
    }

    private static ParseResult Parse(RootCommand root, string path, Symbol symbol, string text)
        => root.Parse([.. path.Split(' ', StringSplitOptions.RemoveEmptyEntries), .. symbol is Option ? [$"{symbol.Name}={text}"] : new[] { text }]);

    private static IEnumerable<(string Path, Symbol Symbol)> Symbols(Command command, string path)
        => command.Options.Concat<Symbol>(command.Arguments).Select(s => (path, s)).Concat(command.Subcommands.SelectMany(c => Symbols(c, $"{path} {c.Name}")));

    private static Type TypeOf(Symbol symbol) => symbol is Option o ? o.ValueType : ((Argument)symbol).ValueType;

    /// <summary>Told by what the type can do, not by a list of types, which the next one would not be on.</summary>
    private static bool IsNumber(Type type)
    {
        var one = type.IsArray ? type.GetElementType()! : type;
        one = Nullable.GetUnderlyingType(one) ?? one;
        return one == typeof(TimeSpan) || (one != typeof(char) && Array.Exists(one.GetInterfaces(), i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(System.Numerics.INumberBase<>)));
    }
}
