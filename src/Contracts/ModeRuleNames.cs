namespace MimicD.Contracts;

/// <summary>
/// Names under which models and results say by which rule their joint modes were told apart. Labels of two rules do not compare.
/// </summary>
public static class ModeRuleNames
{
    /// <summary>
    /// The swap by the sides on which agents pass. Its labels are not those of <see cref="Published"/> where an agent goes far out.
    /// </summary>
    public const string Sides = "sides";

    /// <summary>The swap by the heights of the published task; also the rule of swap labels in files that name none.</summary>
    public const string Published = "published";

    /// <summary>Of a model from before rules had names: the published rule where it is of the swap.</summary>
    public const string Unnamed = "unnamed";

    /// <summary>By the signs of the pairwise winding angles.</summary>
    public const string Winding = "winding";

    /// <summary>By the way round the centre of the circle.</summary>
    public const string Circulation = "circulation";
}
