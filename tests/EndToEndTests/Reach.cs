using System.Reflection;
using System.Reflection.Emit;

namespace MimicD.EndToEndTests;

/// <summary>
/// Follows types from some roots: through base types, interfaces, fields (static ones too), signatures and the code of methods. Types of this
/// program are followed further, those of the framework are looked at and not entered.
/// </summary>
internal static class Reach
{
    private const BindingFlags All = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<short, OpCode> OpCodesByValue = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(f => (OpCode)f.GetValue(null)!).ToDictionary(o => o.Value);

    /// <summary>Every forbidden type that can be reached, as <c>from -> type</c>, and every static field on the way that could pass something on.</summary>
    /// <param name="roots">Where to begin.</param>
    /// <param name="forbidden">Told a type and what uses it: the type whose signatures or code name it, or null where a field keeps it.</param>
    public static string[] Forbidden(IEnumerable<Type> roots, Func<Type, Type?, bool> forbidden)
    {
        var found = new SortedSet<string>(StringComparer.Ordinal);
        var seen = new HashSet<Type>();
        var open = new Queue<Type>(roots);
        while (open.TryDequeue(out var type))
        {
            if (!seen.Add(type))
            {
                continue;
            }

            // What the compiler keeps for itself (lambdas without captures) has a name that no one can write.
            foreach (var field in type.GetFields(All).Where(f => !f.Name.StartsWith("<>", StringComparison.Ordinal) && !f.DeclaringType!.Name.StartsWith('<')))
            {
                if (Parts(field.FieldType).Any(t => forbidden(t, null)))
                {
                    found.Add($"{type} -> {field.FieldType} in {field.Name}");
                }

                if (field is { IsStatic: true, IsLiteral: false } && !(field.IsInitOnly && CannotChange(field.FieldType)))
                {
                    found.Add($"{type} -> static {field.Name}");
                }
            }

            foreach (var used in Uses(type).SelectMany(Parts))
            {
                if (forbidden(used, type))
                {
                    found.Add($"{type} -> {used}");
                }
                else if (IsOurs(used))
                {
                    open.Enqueue(Definition(used));
                }
            }
        }

        return [.. found];
    }

    /// <summary>Whether nothing can be left in a value: numbers, text, read-only lists of such, and objects of this program, and of all classes below theirs, that keep nothing else.</summary>
    private static bool CannotChange(Type type)
        => type.IsPrimitive || type.IsEnum || type == typeof(string)
            || (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>) && CannotChange(type.GetGenericArguments()[0]))
            || (type is { IsClass: true, IsArray: false } && IsOurs(type) && type.Assembly.GetTypes().Where(t => Lineage(t).Contains(Definition(type)))
                .SelectMany(t => t.GetFields(All)).Where(f => !f.IsStatic).All(f => f.IsInitOnly && CannotChange(f.FieldType)));

    private static IEnumerable<Type> Lineage(Type? type)
    {
        for (; type is not null; type = type.BaseType)
        {
            yield return Definition(type);
        }
    }

    private static Type Definition(Type type) => type.IsGenericType ? type.GetGenericTypeDefinition() : type;

    private static bool IsOurs(Type type) => type.Assembly.GetName().Name is { } name && (name == "mimicd" || name.StartsWith("MimicD.", StringComparison.Ordinal));

    private static IEnumerable<Type> Parts(Type? type)
    {
        for (; type is { HasElementType: true }; type = type.GetElementType())
        {
        }

        if (type is null || type.IsGenericParameter)
        {
            yield break;
        }

        yield return type;
        foreach (var argument in type.GetGenericArguments().SelectMany(Parts))
        {
            yield return argument;
        }
    }

    private static IEnumerable<Type?> Uses(Type type)
    {
        yield return type.BaseType;
        foreach (var used in type.GetInterfaces().Concat(type.GetNestedTypes(All)).Concat(type.GetFields(All).Select(f => f.FieldType)))
        {
            yield return used;
        }

        foreach (var method in type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All)))
        {
            yield return (method as MethodInfo)?.ReturnType;
            foreach (var used in method.GetParameters().Select(p => p.ParameterType).Concat(InCode(method)))
            {
                yield return used;
            }
        }
    }

    /// <summary>Types that a method's code names: locals, and the operands of its instructions.</summary>
    private static IEnumerable<Type> InCode(MethodBase method)
    {
        if (method.GetMethodBody() is not { } body || body.GetILAsByteArray() is not { } code)
        {
            yield break;
        }

        foreach (var local in body.LocalVariables)
        {
            yield return local.LocalType;
        }

        var typeArguments = method.DeclaringType is { IsGenericType: true } d ? d.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        for (var at = 0; at < code.Length;)
        {
            var value = code[at] == 0xFE ? unchecked((short)(0xFE00 | code[at + 1])) : code[at];
            at += code[at] == 0xFE ? 2 : 1;
            var kind = OpCodesByValue[value].OperandType;
            if (kind is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineType)
            {
                var member = method.Module.ResolveMember(BitConverter.ToInt32(code, at), typeArguments, methodArguments);
                if ((member as Type ?? member?.DeclaringType) is { } used)
                {
                    yield return used;
                }
            }

            at += kind switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(code, at),
                _ => 4,
            };
        }
    }
}
