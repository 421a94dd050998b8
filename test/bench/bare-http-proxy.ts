/** http-proxy with nothing around it, as its manual shows it, with connections kept. Arguments: port, origin's port. */
import http from 'node:http';
import httpProxy from 'http-proxy';

const [port, originPort] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 256 });
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${originPort}`, agent });
proxy.on('error', (_error, _request, response) => {
	if ('writeHead' in response && !response.headersSent) response.writeHead(502);
	response.end();
});
const server = http.createServer((request, response) => proxy.web(request, response));
// As long as the others' `timeout client`, or its idle connections would close before they are counted.
server.keepAliveTimeout = 300_000;
server.listen(port, '127.0.0.1');
