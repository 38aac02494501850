using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using MimicD.Cluster.Status;
using MimicD.Contracts;

namespace MimicD.Cluster.Http;

/// <summary>
/// What a node serves to whoever looks after machines: <c>/metrics</c> in Prometheus text, <c>/healthz</c> (200 while the node's loop turns) and <c>/readyz</c> (200 when it can take part in a run); 503 with one line
/// that says why not. The server alone, without a web application round it: no configuration, no log, no signals.
/// </summary>
public sealed class NodeHttp : IAsyncDisposable
{
    // Nobody who scrapes needs more, and what is served is small.
    private const int MaxConnections = 32;

    private static readonly TimeSpan RequestPatience = TimeSpan.FromSeconds(5);

    private readonly KestrelServer _server;

    private NodeHttp(KestrelServer server) => _server = server;

    /// <summary>Where it listens, as <c>http://address:port</c>.</summary>
    public Uri Address => new(_server.Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    /// <summary>Begins to serve.</summary>
    /// <param name="place">Where; port 0 for any that is free.</param>
    /// <param name="watch">The node.</param>
    /// <param name="cluster">Its cluster's name.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="InvalidInputException">It cannot be listened there.</exception>
    public static async Task<NodeHttp> StartAsync(IPEndPoint place, NodeWatch watch, string cluster, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(place);
        ArgumentNullException.ThrowIfNull(watch);
        var options = new KestrelServerOptions { AddServerHeader = false };
        (options.Limits.MaxConcurrentConnections, options.Limits.RequestHeadersTimeout, options.Limits.MaxRequestBodySize) = (MaxConnections, RequestPatience, 0);
        options.Listen(place, listen => listen.Protocols = HttpProtocols.Http1);
        var server = new KestrelServer(Options.Create(options), new SocketTransportFactory(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance), NullLoggerFactory.Instance);
        try
        {
            await server.StartAsync(new Pages(watch, new NodeMetrics(watch, cluster)), cancellationToken).ConfigureAwait(false);
            return new NodeHttp(server);
        }
        catch (Exception e)
        {
            server.Dispose();
            throw e is IOException or System.Net.Sockets.SocketException ? new InvalidInputException($"http {place}: cannot be listened on: {(e.InnerException ?? e).Message}", e) : e;
        }
    }

    /// <summary>Ends.</summary>
    public async ValueTask DisposeAsync()
    {
        using var deadline = new CancellationTokenSource(RequestPatience);
        await _server.StopAsync(deadline.Token).ConfigureAwait(false);
        _server.Dispose();
    }

    private sealed class Pages(NodeWatch watch, NodeMetrics metrics) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }

        public Task ProcessRequestAsync(HttpContext context)
        {
            if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
            {
                context.Response.Headers.Allow = "GET, HEAD";
                return LineAsync(context, StatusCodes.Status405MethodNotAllowed, "expected GET or HEAD");
            }

            return context.Request.Path.Value switch
            {
                "/metrics" => MetricsAsync(context),
                "/healthz" => StateAsync(context, watch.Stuck),
                "/readyz" => StateAsync(context, watch.Unready),
                _ => LineAsync(context, StatusCodes.Status404NotFound, "expected /metrics, /healthz or /readyz"),
            };
        }

        private async Task MetricsAsync(HttpContext context)
        {
            // Whole before it goes out: what fails in the middle would pass for all.
            using var text = new MemoryStream();
            await metrics.WriteAsync(text, context.RequestAborted);
            context.Response.ContentType = NodeMetrics.ContentType;
            context.Response.ContentLength = text.Length;
            await context.Response.Body.WriteAsync(HttpMethods.IsHead(context.Request.Method) ? ReadOnlyMemory<byte>.Empty : text.GetBuffer().AsMemory(0, (int)text.Length), context.RequestAborted);
        }

        private static Task StateAsync(HttpContext context, string? wrong)
            => wrong is null ? LineAsync(context, StatusCodes.Status200OK, "ok") : LineAsync(context, StatusCodes.Status503ServiceUnavailable, wrong);

        private static Task LineAsync(HttpContext context, int status, string line)
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = "text/plain; charset=utf-8";
            context.Response.Headers.CacheControl = "no-store";
            return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : context.Response.WriteAsync(line + "\n", context.RequestAborted);
        }
    }
}
