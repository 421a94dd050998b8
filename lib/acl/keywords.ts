/**
 * ACL keywords that are not fetches (manual, 7.1 and 7.3): a fetch with a way of matching in its name, such as
 * `path_beg`. Where an ACL keyword and a fetch share a name, the ACL keyword is meant: `hdr` is `req.hdr` there.
 */
import type { MatchMethod } from '../sample/pattern-index.js';

export interface AclKeyword {
	readonly fetch: string;
	readonly method: MatchMethod;
}

/** Fetches of strings, with every name they go by in ACLs. */
const STRING_KEYWORDS: readonly (readonly [keyword: string, fetch: string])[] = [
	['base', 'base'],
	['cook', 'req.cook'],
	['req.cook', 'req.cook'],
	['hdr', 'req.hdr'],
	['req.hdr', 'req.hdr'],
	['path', 'path'],
	['scook', 'res.cook'],
	['res.cook', 'res.cook'],
	['shdr', 'res.hdr'],
	['res.hdr', 'res.hdr'],
	['url', 'url'],
	['urlp', 'urlp'],
	['url_param', 'url_param'],
];

const STRING_METHODS: readonly MatchMethod[] = ['beg', 'dir', 'dom', 'end', 'len', 'reg', 'sub'];

const OTHERS: readonly (readonly [keyword: string, fetch: string, method: MatchMethod])[] = [
	['http_auth_group', 'http_auth_group', 'str'],
	['method', 'method', 'str'],
	['req_ver', 'req.ver', 'str'],
	['resp_ver', 'res.ver', 'str'],
	['payload', 'req.payload', 'bin'],
	['payload_lv', 'req.payload_lv', 'bin'],
	['req_rdp_cookie', 'req.rdp_cookie', 'str'],
	['req_rdp_cookie_cnt', 'req.rdp_cookie_cnt', 'int'],
	['req_ssl_sni', 'req.ssl_sni', 'str'],
	['req_ssl_ver', 'req.ssl_ver', 'int'],
	['req.ssl_ver', 'req.ssl_ver', 'int'],
	['ssl_fc_sni_end', 'ssl_fc_sni', 'end'],
	['ssl_fc_sni_reg', 'ssl_fc_sni', 'reg'],
];

export const ACL_KEYWORDS: ReadonlyMap<string, AclKeyword> = new Map([
	...STRING_KEYWORDS.flatMap(([keyword, fetch]): [string, AclKeyword][] => [
		[keyword, { fetch, method: 'str' }],
		...STRING_METHODS.map((method): [string, AclKeyword] => [`${keyword}_${method}`, { fetch, method }]),
	]),
	...OTHERS.map(([keyword, fetch, method]): [string, AclKeyword] => [keyword, { fetch, method }]),
]);

/** Manual, 7.4. Words of an ACL line by the name that may be used without declaring it. */
export const PREDEFINED_ACLS: ReadonlyMap<string, readonly string[]> = new Map([
	['FALSE', ['always_false']],
	['HTTP', ['req.proto_http']],
	['HTTP_1.0', ['req.ver', '1.0']],
	['HTTP_1.1', ['req.ver', '1.1']],
	['HTTP_2.0', ['req.ver', '2.0']],
	['HTTP_CONTENT', ['req.hdr_val(content-length)', 'gt', '0']],
	['HTTP_URL_ABS', ['url_reg', '^[^/:]*://']],
	['HTTP_URL_SLASH', ['url_beg', '/']],
	['HTTP_URL_STAR', ['url', '*']],
	['LOCALHOST', ['src', '127.0.0.1/8', '::1']],
	['METH_CONNECT', ['method', 'CONNECT']],
	['METH_DELETE', ['method', 'DELETE']],
	['METH_GET', ['method', 'GET', 'HEAD']],
	['METH_HEAD', ['method', 'HEAD']],
	['METH_OPTIONS', ['method', 'OPTIONS']],
	['METH_POST', ['method', 'POST']],
	['METH_PUT', ['method', 'PUT']],
	['METH_TRACE', ['method', 'TRACE']],
	['RDP_COOKIE', ['req.rdp_cookie_cnt', 'gt', '0']],
	['REQ_CONTENT', ['req.len', 'gt', '0']],
	['TRUE', ['always_true']],
	['WAIT_END', ['wait_end']],
]);
