using System.Globalization;

namespace MimicD.Numerics;

/// <summary>
/// The header of a .npy file: a Python dictionary with the keys <c>descr</c>, <c>fortran_order</c> and <c>shape</c>, each once, and no others.
/// </summary>
/// <param name="Descriptor">Byte order and type of the elements, such as <c>&lt;f8</c>.</param>
/// <param name="Fortran">Whether the first axis is the fastest.</param>
/// <param name="Shape">Lengths of the axes.</param>
/// <param name="Count">Number of elements.</param>
internal sealed record NpyHeader(string Descriptor, bool Fortran, int[] Shape, long Count)
{
    private const int MostAxes = 64;

    /// <summary>Shape as <c>(100, 2, 101, 2)</c>.</summary>
    public string ShapeText => "(" + string.Join(", ", Shape) + ")";

    /// <summary>Reads its text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="where">File and member, for messages.</param>
    /// <exception cref="InvalidDataException">
    /// Anything else than such a dictionary, or a shape of more elements than an array can have.
    /// </exception>
    public static NpyHeader Parse(string text, string where)
    {
        var reader = new Reader(text, where);
        string? descriptor = null;
        bool? fortran = null;
        List<int>? shape = null;
        reader.Take('{');
        while (!reader.TryTake('}'))
        {
            var key = reader.Text();
            reader.Take(':');
            switch (key)
            {
                case "descr" when descriptor is null:
                    descriptor = reader.Peek is '[' or '(' ? throw reader.Not("an array of numbers", "structured elements") : reader.Text();
                    break;
                case "fortran_order" when fortran is null:
                    fortran = reader.Word() switch
                    {
                        "True" => true,
                        "False" => false,
                        var other => throw reader.Not("fortran_order True or False", other),
                    };
                    break;
                case "shape" when shape is null:
                    shape = Axes(reader);
                    break;
                default:
                    throw reader.Not("the keys descr, fortran_order and shape, each once", $"'{key}'");
            }

            if (!reader.TryTake(','))
            {
                reader.Take('}');
                break;
            }
        }

        reader.End();
        if (descriptor is null || fortran is null || shape is null)
        {
            var missing = descriptor is null ? "descr" : fortran is null ? "fortran_order" : "shape";
            throw reader.Not("the keys descr, fortran_order and shape", $"no {missing}");
        }

        // An axis without elements makes all the others' lengths harmless; each product is compared at once, so that none overflows.
        var count = shape.Contains(0) ? 0L : 1L;
        foreach (var axis in shape)
        {
            count *= axis;
            if (count > Array.MaxLength)
            {
                throw reader.Not($"at most {Array.MaxLength} elements", $"shape ({string.Join(", ", shape)})");
            }
        }

        return new NpyHeader(descriptor, fortran.Value, [.. shape], count);
    }

    private static List<int> Axes(Reader reader)
    {
        var axes = new List<int>();
        reader.Take('(');
        while (!reader.TryTake(')'))
        {
            // Python 2 wrote long numbers with an L.
            var word = reader.Word();
            var digits = word.EndsWith('L') ? word[..^1] : word;
            if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var axis))
            {
                throw reader.Not($"lengths of axes, whole numbers from 0 to {int.MaxValue}", word);
            }

            axes.Add(axis);
            if (!reader.TryTake(','))
            {
                reader.Take(')');
                break;
            }
        }

        return axes.Count <= MostAxes ? axes : throw reader.Not($"at most {MostAxes} axes", axes.Count);
    }

    /// <summary>Reads the few things that occur in a header.</summary>
    private sealed class Reader(string text, string where)
    {
        private int _at;

        /// <summary>The next character that is not white space; NUL at the end.</summary>
        public char Peek
        {
            get
            {
                while (_at < text.Length && text[_at] is ' ' or '\n' or '\r' or '\t')
                {
                    _at++;
                }

                return _at < text.Length ? text[_at] : '\0';
            }
        }

        public bool TryTake(char c)
        {
            if (Peek != c || _at >= text.Length)
            {
                return false;
            }

            _at++;
            return true;
        }

        public void Take(char c)
        {
            if (!TryTake(c))
            {
                throw Not($"'{c}'", Rest());
            }
        }

        /// <summary>A text in quotes.</summary>
        public string Text()
        {
            var quote = Peek;
            var end = quote is '\'' or '"' ? text.IndexOf(quote, _at + 1) : -1;
            if (end < 0)
            {
                throw Not("a text in quotes", Rest());
            }

            var content = text[(_at + 1)..end];
            _at = end + 1;
            return content;
        }

        /// <summary>A number or a name: everything up to a separator.</summary>
        public string Word()
        {
            _ = Peek;
            var start = _at;
            while (_at < text.Length && text[_at] is not (',' or ')' or '}' or ':' or ' ' or '\n' or '\r' or '\t'))
            {
                _at++;
            }

            return text[start.._at];
        }

        public void End()
        {
            if (Peek != '\0' || _at < text.Length)
            {
                throw Not("nothing after the dictionary", Rest());
            }
        }

        public InvalidDataException Not(string expected, object found)
            => new($"{where}: header: expected {expected}, found {Quote.Of($"{found}")}");

        private string Rest() => _at < text.Length ? text.Substring(_at, Math.Min(20, text.Length - _at)).TrimEnd() : "its end";
    }
}
