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

/** Where a proxy listens, and whom it talks to. */
export interface Ports {
	readonly plain: number;
	readonly origin: number;
	/** TLS and both versions of HTTP; undefined: without. */
	readonly secure?: number;
	/** The configuration with many rules, and where its log goes; undefined: without. */
	readonly rules?: { readonly port: number; readonly syslog: number };
}

export function confFile({ plain, origin, secure, rules }: Ports): string {
	const bindSecure = secure === undefined ? '' : `	bind 127.0.0.1:${secure} ssl crt ${CERTIFICATE} alpn h2,http/1.1\n`;
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
	bind 127.0.0.1:${plain}
${bindSecure}	maxconn 11000
	stick-table type ip size 100k expire 60s store http_req_rate(10s)
	http-request track-sc0 src
	http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000000 }
	default_backend origin

backend origin
	server o1 127.0.0.1:${origin}
${rules === undefined ? '' : rulesConf(rules.port, rules.syslog, origin)}`;
}

/** What operators have: a log, limits by address, lists and maps in files, headers set and removed, a cookie. */
function rulesConf(port: number, syslog: number, origin: number): string {
	return `
frontend rules
	bind 127.0.0.1:${port}
	log 127.0.0.1:${syslog} local0
	option httplog
	option forwardfor
	stick-table type ip size 100k expire 60s store conn_cur,conn_rate(10s),http_req_rate(10s),http_err_rate(10s)
	acl is_static path_beg /static /images /css
	acl is_api path_beg /api/
	acl is_admin path_reg ^/(admin|manage)(/|$)
	acl is_blocked src -f blocked.lst
	acl is_bot hdr(user-agent),lower -m sub -f agents.lst
	http-request track-sc0 src
	http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000000 } || { sc_conn_rate(0) gt 1000000000 }
	http-request deny deny_status 403 if is_blocked
	http-request deny deny_status 403 if is_bot !is_static
	http-request deny deny_status 403 if is_admin !{ src 10.0.0.0/8 }
	http-request set-var(txn.backend) req.hdr(host),lower,map(hosts.map,rules_web)
	http-request set-header x-forwarded-proto http unless { ssl_fc }
	http-request set-header x-request-start t=%[date(0,ms)]
	http-request del-header x-internal
	http-request capture req.hdr(user-agent) len 64
	http-response set-header x-frame-options SAMEORIGIN
	http-response del-header server
	use_backend rules_api if is_api
	use_backend %[var(txn.backend)]

backend rules_web
	balance roundrobin
	cookie SRV insert indirect nocache
	http-request set-header x-backend web
	server w1 127.0.0.1:${origin} cookie w1
	server w2 127.0.0.1:${origin} cookie w2

backend rules_api
	balance leastconn
	server a1 127.0.0.1:${origin}
`;
}

/** The files that the rules read. */
function ruleFiles(): Record<string, string> {
	const numbers = Array.from({ length: 500 }, (_, index) => index);
	return {
		'blocked.lst': numbers.map((index) => `192.0.${index >> 8}.${index & 255}`).join('\n'),
		'agents.lst': numbers
			.slice(0, 20)
			.map((index) => `badbot${index}`)
			.join('\n'),
		'hosts.map': [...numbers.map((index) => `host${index}.example rules_web`), 'shop.example rules_web'].join('\n'),
	};
}

/** What a browser sends. */
export const RULES_HEADERS: readonly string[] = [
	'Host: shop.example',
	'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
	'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8',
	'Accept-Language: en-US,en;q=0.5',
	'Accept-Encoding: gzip, deflate, br',
	'Referer: http://shop.example/catalogue?page=2',
	'Cookie: theme=dark; SRV=w2; basket=0123456789abcdef',
];

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

export function startSyslog(port: number): Promise<RunningProgram> {
	const command = typescriptCommand(new URL('./syslog.ts', import.meta.url), [String(port)]);
	return start({ name: 'syslog', port, core: LOAD_CORE, command: () => command });
}

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
	/** Reads HAProxy's configuration: serves TLS and rules on ports of their own. */
	readonly isConfigured?: boolean;
	start(ports: Ports): Promise<RunningProgram>;
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
			start: ({ plain, origin }) =>
				start({
					name: 'nginx',
					port: plain,
					core: PROXY_CORE,
					command: (folder) => [
						nginx,
						'-p',
						folder,
						'-e',
						'stderr',
						'-c',
						inline(folder, nginxProxy(folder, plain, origin)),
					],
				}),
		});
	}
	found.push({
		name: 'http-proxy',
		start: ({ plain, origin }) =>
			start({
				name: 'http-proxy',
				port: plain,
				core: PROXY_CORE,
				command: () =>
					typescriptCommand(new URL('./bare-http-proxy.ts', import.meta.url), [String(plain), String(origin)]),
			}),
	});
	return found;
}

function configured(name: string, command: (folder: string) => readonly string[]): Contender {
	return {
		name,
		isConfigured: true,
		start: (ports) =>
			start({
				name,
				port: ports.plain,
				core: PROXY_CORE,
				files: { 'bench.cfg': confFile(ports), ...(ports.rules === undefined ? undefined : ruleFiles()) },
				command,
			}),
	};
}
