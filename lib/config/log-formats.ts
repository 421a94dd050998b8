/**
 * The log formats that have names: those of options, which conf files may also take from the environment, to add a field
 * of their own (`log-format "$HAPROXY_HTTP_LOG_FMT %[src_port]"`, HAProxy 2.7).
 */

/** The formats behind `option httplog`, `option tcplog`, `option httplog clf` (manual, 8.2.2 to 8.2.4). */
export const HTTP_LOG_FORMAT =
	'%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r';
export const HTTPS_LOG_FORMAT = `${HTTP_LOG_FORMAT} %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] %[ssl_fc_sni]/%sslv/%sslc`;
export const TCP_LOG_FORMAT = '%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq';
export const HTTP_CLF_LOG_FORMAT =
	'%{+Q}o %{-Q}ci - - [%trg] %r %ST %B "" "" %cp %ms %ft %b %s %TR %Tw %Tc %Tr %Ta %tsc %ac %fc %bc %sc %rc %sq %bq %CC %CS %hrl %hsl';

/** By the variable that conf files see. */
export const LOG_FORMAT_VARIABLES: ReadonlyMap<string, string> = new Map([
	['HAPROXY_HTTP_CLF_LOG_FMT', HTTP_CLF_LOG_FORMAT],
	['HAPROXY_HTTP_LOG_FMT', HTTP_LOG_FORMAT],
	['HAPROXY_HTTPS_LOG_FMT', HTTPS_LOG_FORMAT],
	['HAPROXY_TCP_LOG_FMT', TCP_LOG_FORMAT],
]);
