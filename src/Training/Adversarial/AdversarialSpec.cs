using System.Text.Json.Serialization;
using MimicD.Agents;
using MimicD.Contracts;

namespace MimicD.Training.Adversarial;

/// <summary>What a discriminator judges.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DiscriminatorView>))]
public enum DiscriminatorView
{
    /// <summary>All agents' observations and actions together, by one discriminator whose reward all share (the paper's centralized prior, for cooperation).</summary>
    [JsonStringEnumMemberName("joint")]
    Joint,

    /// <summary>One agent's observation and action, by a discriminator of its own (the paper's decentralized prior).</summary>
    [JsonStringEnumMemberName("own")]
    Own,
}

/// <summary>
/// Multi-agent generative adversarial imitation learning (Song, Ren, Sadigh, Ermon 2018), after a warm start by behaviour cloning of <see cref="OptimisationSpec.Steps"/> steps.
/// <c>docs/magail.md</c> says what is taken from the paper and what is not.
/// </summary>
public sealed record AdversarialSpec
{
    /// <summary>Rounds of rollouts, discriminator steps and policy steps. Default: 200.</summary>
    public int Iterations { get; init; } = 200;

    /// <summary>
    /// First rounds in which the policies stay as they are: discriminators and critic that know nothing yet would lead them away from what cloning taught. Default: 20.
    /// </summary>
    public int Warmup { get; init; } = 20;

    /// <summary>Episodes a round, side by side, each begun as a demonstration that is drawn at random. Default: 32, about 3,200 transitions an agent on the swap.</summary>
    public int Episodes { get; init; } = 32;

    /// <summary>What a discriminator judges. Default: joint.</summary>
    public DiscriminatorView Discriminator { get; init; } = DiscriminatorView.Joint;

    /// <summary>Width of the discriminators' two hidden layers. Default: 128, as in the paper.</summary>
    public int DiscriminatorWidth { get; init; } = 128;

    /// <summary>Their learning rate. Default: 1e-3.</summary>
    public double DiscriminatorRate { get; init; } = 1e-3;

    /// <summary>Their steps a round. Default: 24.</summary>
    public int DiscriminatorSteps { get; init; } = 24;

    /// <summary>Transitions of each kind in one of their steps. Default: 512.</summary>
    public int DiscriminatorBatch { get; init; } = 512;

    /// <summary>
    /// Deviation of the noise on what discriminators are trained on, demonstrated or not, in normalised units. Demonstrations are smooth and a Gaussian policy is not, which tells
    /// them apart without fail before the policy has learned anything; noise keeps the two laws overlapping (Arjovsky and Bottou 2017). Default: 0.03.
    /// </summary>
    public double InputNoise { get; init; } = 0.03;

    /// <summary>Width of the critic's two hidden layers. Default: 128, as in the paper.</summary>
    public int CriticWidth { get; init; } = 128;

    /// <summary>Its learning rate. Default: 1e-3.</summary>
    public double CriticRate { get; init; } = 1e-3;

    /// <summary>Discount of rewards (gamma), below 1. Default: 0.99.</summary>
    public double Discount { get; init; } = 0.99;

    /// <summary>Decay of the advantage estimate's trace (lambda; Schulman et al. 2016). Default: 0.95.</summary>
    public double Trace { get; init; } = 0.95;

    /// <summary>The policies' learning rate. Default: 3e-4.</summary>
    public double PolicyRate { get; init; } = 3e-4;

    /// <summary>Passes over a round's transitions. Default: 4.</summary>
    public int Epochs { get; init; } = 4;

    /// <summary>Transitions an agent in a step of policies and critic. Default: 512.</summary>
    public int Batch { get; init; } = 512;

    /// <summary>How far the ratio of new and old density counts (epsilon of PPO; Schulman et al. 2017). Default: 0.2.</summary>
    public double Clip { get; init; } = 0.2;

    /// <summary>Divergence of the new policies from those of the rollouts [nats] after which a round makes no further pass. Default: 0.03.</summary>
    public double DivergenceLimit { get; init; } = 0.03;

    /// <summary>Weight of the policies' entropy. Default: 0.</summary>
    public double EntropyWeight { get; init; }

    /// <summary>Decay, a policy step, of the weights' moving average, which is what is saved. Default: 0.99, about two rounds.</summary>
    public double AverageDecay { get; init; } = 0.99;

    /// <summary>Throws when a value is out of its range, or the model is none that this can train.</summary>
    /// <param name="where">The file.</param>
    /// <param name="shape">What is trained.</param>
    /// <exception cref="InvalidInputException">Something does not fit.</exception>
    public void Validate(string where, ModelShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        void Require(bool condition, string field, string expected, object? found) => InvalidInputException.Require(condition, where, $"training.adversarial.{field}", expected, found);
        void Above(double value, string field) => Require(value > 0 && double.IsFinite(value), field, "above 0", value);
        Require(Iterations is >= 1 and <= 10_000_000, "iterations", "1 to 10000000", Iterations);
        Require(Warmup >= 0, "warmup", "0 or more", Warmup);
        Require(Episodes is >= 1 and <= 65536, "episodes", "1 to 65536", Episodes);
        Require(Enum.IsDefined(Discriminator), "discriminator", "joint or own", Discriminator);
        Require(DiscriminatorWidth is >= 1 and <= 4096, "discriminatorWidth", "1 to 4096", DiscriminatorWidth);
        Above(DiscriminatorRate, "discriminatorRate");
        Require(DiscriminatorSteps is >= 1 and <= 10_000, "discriminatorSteps", "1 to 10000", DiscriminatorSteps);
        Require(DiscriminatorBatch is >= 1 and <= 65536, "discriminatorBatch", "1 to 65536", DiscriminatorBatch);
        Require(InputNoise >= 0 && double.IsFinite(InputNoise), "inputNoise", "0 or more", InputNoise);
        Require(CriticWidth is >= 1 and <= 4096, "criticWidth", "1 to 4096", CriticWidth);
        Above(CriticRate, "criticRate");
        Require(Discount is >= 0 and < 1, "discount", "0 to below 1", Discount);
        Require(Trace is >= 0 and <= 1, "trace", "0 to 1", Trace);
        Above(PolicyRate, "policyRate");
        Require(Epochs is >= 1 and <= 1000, "epochs", "1 to 1000", Epochs);
        Require(Batch is >= 1 and <= 65536, "batch", "1 to 65536", Batch);
        Require(Clip is > 0 and < 1, "clip", "above 0, below 1", Clip);
        Above(DivergenceLimit, "divergenceLimit");
        Require(EntropyWeight >= 0 && double.IsFinite(EntropyWeight), "entropyWeight", "0 or more", EntropyWeight);
        Require(AverageDecay is >= 0 and < 1, "averageDecay", "0 to below 1", AverageDecay);

        // The gradient needs the density of the one action that was executed, given what was observed.
        void Model(bool condition, string field, string expected, object? found) => InvalidInputException.Require(condition, where, field, $"{expected} with training.adversarial", found);
        Model(shape.Method == MethodKind.Mixture && shape.Network.Mixture is { Components: 1 }, "network.mixture.components", "a mixture of 1", shape.Network.Mixture is null ? "none" : shape.Network.Mixture.Components);
        Model(shape.Plan is { Length: 1, StartsAtPresent: false }, "plan.length", "1 position, not the present one,", shape.Plan.Length);
        Model(shape.Plan.Of == PlanOf.Own, "plan.of", "own", shape.Plan.Of);
        Model(shape.Sampling is { Noise: NoiseMode.Fresh, SharedNoise: false }, "sampling.noise", "fresh noise of one's own", shape.Sampling.Noise);
    }
}
