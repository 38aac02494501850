using System.Globalization;

namespace MimicD.Contracts;

/// <summary>Input from outside (a file, an option, a message) that was refused at the door. Its message is one line for the person who gave it; the command exits with code 2.</summary>
public sealed class InvalidInputException : Exception
{
    /// <summary>Refuses with a message that already says what, where, expected and found.</summary>
    public InvalidInputException(string message)
        : base(message)
    {
    }

    /// <summary>Refuses with a message that already says what, where, expected and found.</summary>
    public InvalidInputException(string message, Exception cause)
        : base(message, cause)
    {
    }

    /// <summary>Builds <c>where: field: expected X, found Y</c>.</summary>
    /// <param name="where">File or option.</param>
    /// <param name="field">Field within it, or empty.</param>
    /// <param name="expected">What would have been accepted.</param>
    /// <param name="found">What was there.</param>
    public static InvalidInputException Create(string where, string field, string expected, object? found)
    {
        var text = found is null ? "nothing" : Convert.ToString(found, CultureInfo.InvariantCulture);
        // One line, whatever a file's text holds.
        return new InvalidInputException(Printable.Line(field.Length == 0
            ? $"{where}: expected {expected}, found {text}"
            : $"{where}: {field}: expected {expected}, found {text}"));
    }

    /// <summary>Throws <see cref="Create"/> unless the condition holds.</summary>
    public static void Require(bool condition, string where, string field, string expected, object? found)
    {
        if (!condition)
        {
            throw Create(where, field, expected, found);
        }
    }
}
