namespace MimicD.World.Experts;

/// <summary>How the modes of demonstrations go together with their starts and goals.</summary>
public enum ModeLaw
{
    /// <summary>Mode and places are independent: every start is shown every mode.</summary>
    Independent,

    /// <summary>
    /// Starts and goals are drawn so that together they suggest the mode (<see cref="SwapModes.Suggested"/>, <see cref="RoadExpert.Suggested"/>), as in the published
    /// demonstrations, whose modes these rules predict in 75 (swap) and 89 (road) of 100 cases: much of their variety of modes is variety of places.
    /// </summary>
    Places,

    /// <summary>Starts are drawn so that they alone suggest the mode: a convention that every agent can read off what it sees, whoever's goal is hidden from whom.</summary>
    Starts,
}
