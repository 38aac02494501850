using System.Globalization;
using System.Text;

namespace MimicD.Contracts;

/// <summary>Names that files give to things. They are shown on terminals, in tables and in pictures, and become parts of file names.</summary>
public static class Names
{
    /// <summary>Most letters of a name.</summary>
    public const int MostLetters = 200;

    /// <summary>Throws unless a text can be a name: something to read, no line feed, escape, NUL or other control character, nothing that turns the reading direction, not too long.</summary>
    /// <param name="name">The text.</param>
    /// <param name="where">The file.</param>
    /// <param name="field">The key.</param>
    /// <exception cref="InvalidInputException">It cannot.</exception>
    public static void Require(string? name, string where, string field)
    {
        InvalidInputException.Require(!string.IsNullOrWhiteSpace(name), where, field, "a name", name is null ? null : "an empty one");
        InvalidInputException.Require(name!.Length <= MostLetters, where, field, $"a name of at most {MostLetters} letters", $"{name.Length} letters");
        for (var i = 0; i < name.Length; i++)
        {
            var c = name[i];
            var shown = !char.IsControl(c) && CharUnicodeInfo.GetUnicodeCategory(name, i) is not (UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate);
            InvalidInputException.Require(shown, where, field, "a name without control characters", string.Create(CultureInfo.InvariantCulture, $"the character U+{(int)c:X4}"));
            i += char.IsHighSurrogate(c) && Rune.TryGetRuneAt(name, i, out _) ? 1 : 0;
        }
    }
}
