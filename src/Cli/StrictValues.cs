using System.CommandLine;
using System.CommandLine.Parsing;
using MimicD.Contracts;

namespace MimicD.Cli;

/// <summary>
/// How numbers and truth values on the command line are read: by <see cref="PlainNumber"/>, in every option and argument of every verb. The parser's own reading takes 1,5 for 15, and names types of this program when it
/// refuses something.
/// </summary>
internal static class StrictValues
{
    private static readonly Dictionary<Type, Action<Symbol>> Readers = new()
    {
        [typeof(int)] = s => Read<int>(s, Whole<int>),
        [typeof(int?)] = s => Read<int?>(s, (n, r) => Whole<int>(n, r)),
        [typeof(long)] = s => Read<long>(s, Whole<long>),
        [typeof(long?)] = s => Read<long?>(s, (n, r) => Whole<long>(n, r)),
        [typeof(ulong)] = s => Read<ulong>(s, Whole<ulong>),
        [typeof(ulong?)] = s => Read<ulong?>(s, (n, r) => Whole<ulong>(n, r)),
        [typeof(double)] = s => Read<double>(s, Real),
        [typeof(double?)] = s => Read<double?>(s, (n, r) => Real(n, r)),
        [typeof(bool)] = s => Read<bool>(s, Truth),
        [typeof(bool?)] = s => Read<bool?>(s, (n, r) => Truth(n, r)),
    };

    private static readonly Type[] Texts = [typeof(string), typeof(string[])];

    /// <summary>Makes every option and argument of a command, and of those below it, read its values strictly.</summary>
    /// <exception cref="NotSupportedException">One has a type that nobody has said yet how to read.</exception>
    public static T Install<T>(T command)
        where T : Command
    {
        foreach (var symbol in Symbols(command))
        {
            var type = symbol is Option o ? o.ValueType : ((Argument)symbol).ValueType;
            if (Readers.TryGetValue(type, out var install))
            {
                install(symbol);
            }
            else if (!Texts.Contains(type))
            {
                throw new NotSupportedException($"{symbol.Name}: no strict way to read {type}");
            }
        }

        return command;
    }

    /// <summary>All options and arguments of a command and of those below it; help and version, which take no value, left out.</summary>
    public static IEnumerable<Symbol> Symbols(Command command)
        => command.Options.Where(o => o.ValueType != typeof(void) && o is not System.CommandLine.Help.HelpOption and not VersionOption).Concat<Symbol>(command.Arguments)
            .Concat(command.Subcommands.SelectMany(Symbols));

    private static void Read<T>(Symbol symbol, Func<string, SymbolResult, T> read)
    {
        // A flag without a value is one that is set.
        T? Parse(ArgumentResult result) => result.Tokens is [] ? typeof(T) == typeof(bool) ? (T)(object)true : default : read(symbol.Name, result);

        if (symbol is Option<T> option)
        {
            option.CustomParser ??= Parse;
        }
        else if (symbol is Argument<T> argument)
        {
            argument.CustomParser ??= Parse;
        }
    }

    private static T Whole<T>(string name, SymbolResult result)
        where T : struct, System.Numerics.IBinaryInteger<T>, System.Numerics.IMinMaxValue<T>
    {
        var text = result.Tokens[^1].Value;
        return PlainNumber.TryWhole<T>(text, out var value) ? value : Refuse(result, name, PlainNumber.ExpectedWhole(text, T.MinValue, T.MaxValue), text, value);
    }

    private static double Real(string name, SymbolResult result)
    {
        var text = result.Tokens[^1].Value;
        return PlainNumber.TryReal(text, out var value) ? value : Refuse(result, name, PlainNumber.Real, text, value);
    }

    private static bool Truth(string name, SymbolResult result) => result.Tokens[^1].Value switch
    {
        "true" or "True" => true,
        "false" or "False" => false,
        var text => Refuse(result, name, "true or false", text, false),
    };

    private static T Refuse<T>(SymbolResult result, string name, string expected, string found, T value)
    {
        result.AddError(InvalidInputException.Create(name, "", expected, found.Length == 0 ? "an empty text" : found).Message);
        return value;
    }
}
