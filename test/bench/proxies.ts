/**
 * The proxies that are compared, each with one thread on one core, and the origin behind them. Holdfast and
 * HAProxy read the same file: one tracker and one deny rule. nginx counts requests by address with
 * `limit_req`, the nearest it has. http-proxy does nothing but forward.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
	findProgram,
	LOAD_CORE,
	PROXY_CORE,
	type RunningProgram,
	start,
	typescriptCommand,
	versionOf,
} from './programs.js';

/** `HOLDFAST_PROGRAM` names another build than `dist/`; `HOLDFAST_BASELINE` one more, to compare two. */
const HOLDFAST = process.env.HOLDFAST_PROGRAM ?? fileURLToPath(new URL('../../dist/bin/holdfast.js', import.meta.url));
const BASELINE = process.env.HOLDFAST_BASELINE;

const CERTIFICATE = fileURLToPath(new URL('../fixtures/tls/a.pem', import.meta.url));

export const ORIGIN_SIZES = [12, 10_240, 1_048_576] as const;

/** With `securePort`, a second address with TLS and both versions of HTTP. */
export function confFile(port: number, originPort: number, securePort?: number): string {
	const secure =
		securePort === undefined ? '' : `	bind 127.0.0.1:${securePort} ssl crt ${CERTIFICATE} alpn h2,http/1.1\n`;
	return `global
	nbthread 1
	maxconn 11000
	no strict-limits

defaults
	mode http
	timeout connect 5s
	timeout client 300s
	timeout server 30s

frontend bench
	bind 127.0.0.1:${port}
${secure}	maxconn 11000
	stick-table type ip size 100k expire 60s store http_req_rate(10s)
	http-request track-sc0 src
	http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000000 }
	default_backend origin

backend origin
	server o1 127.0.0.1:${originPort}
`;
}

const NGINX_HEAD = (folder: string) => `daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 12000; }
http {
	access_log off;
	keepalive_requests 1000000000;
	client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
	uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
`;

const nginxOrigin = (folder: string, port: number) => `${NGINX_HEAD(folder)}
	sendfile on; tcp_nopush on; open_file_cache max=10; open_file_cache_valid 1h;
	server { listen 127.0.0.1:${port} backlog=4096; root ${folder}; default_type text/plain; }
}
`;

const nginxProxy = (folder: string, port: number, originPort: number) => `${NGINX_HEAD(folder)}
	limit_req_zone $binary_remote_addr zone=bench:10m rate=100000000r/s;
	upstream origin { server 127.0.0.1:${originPort}; keepalive 256; keepalive_requests 1000000000; }
	server {
		listen 127.0.0.1:${port} backlog=4096;
		location / {
			limit_req zone=bench burst=1000000 nodelay;
			proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
			proxy_max_temp_file_size 0;
		}
	}
}
`;

export function startOrigin(port: number): Promise<RunningProgram> {
	const nginx = findProgram('nginx');
	const common = { name: 'origin', port, core: LOAD_CORE };
	if (nginx === undefined) {
		const args = [String(port), ...ORIGIN_SIZES.map(String)];
		return start({ ...common, command: () => typescriptCommand(new URL('./origin.ts', import.meta.url), args) });
	}
	return start({
		...common,
		files: Object.fromEntries(ORIGIN_SIZES.map((size) => [String(size), 'x'.repeat(size)])),
		command: (folder) => [nginx, '-p', folder, '-e', 'stderr', '-c', inline(folder, nginxOrigin(folder, port))],
	});
}

function inline(folder: string, text: string): string {
	const path = `${folder}/nginx.conf`;
	writeFileSync(path, text);
	return path;
}

export interface Contender {
	/** As the table names it. */
	readonly name: string;
	/** Serves TLS on its second port. */
	readonly isSecure?: boolean;
	start(port: number, originPort: number, securePort?: number): Promise<RunningProgram>;
}

/** Those that are installed; `missing` is told of the others. */
export function contenders(missing: (what: string) => void): Contender[] {
	const found: Contender[] = [];
	const holdfast = (name: string, path: string) => {
		if (!existsSync(path)) missing(`${name}: ${path} does not exist (npm run build)`);
		else found.push(configured(name, (folder) => [process.execPath, path, '-db', '-f', `${folder}/bench.cfg`]));
	};
	holdfast('holdfast', HOLDFAST);
	if (BASELINE !== undefined) holdfast('baseline', BASELINE);
	const haproxy = findProgram('haproxy');
	if (haproxy === undefined) missing('haproxy is not installed');
	else {
		const name = `haproxy ${versionOf(haproxy, ['-v']).split('.').slice(0, 2).join('.')}`;
		found.push(configured(name, (folder) => [haproxy, '-db', '-f', `${folder}/bench.cfg`]));
	}
	const nginx = findProgram('nginx');
	if (nginx === undefined) missing('nginx is not installed');
	else {
		found.push({
			name: 'nginx',
			start: (port, originPort) =>
				start({
					name: 'nginx',
					port,
					core: PROXY_CORE,
					command: (folder) => [
						nginx,
						'-p',
						folder,
						'-e',
						'stderr',
						'-c',
						inline(folder, nginxProxy(folder, port, originPort)),
					],
				}),
		});
	}
	found.push({
		name: 'http-proxy',
		start: (port, originPort) =>
			start({
				name: 'http-proxy',
				port,
				core: PROXY_CORE,
				command: () =>
					typescriptCommand(new URL('./bare-http-proxy.ts', import.meta.url), [String(port), String(originPort)]),
			}),
	});
	return found;
}

function configured(name: string, command: (folder: string) => readonly string[]): Contender {
	return {
		name,
		isSecure: true,
		start: (port, originPort, securePort) =>
			start({ name, port, core: PROXY_CORE, files: { 'bench.cfg': confFile(port, originPort, securePort) }, command }),
	};
}
