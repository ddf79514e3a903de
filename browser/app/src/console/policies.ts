import { useQuery } from '@tanstack/react-query'
import { api, ok, type Schemas } from '../lib/api'
import { queries } from '../lib/query'
import { all } from './data'

export type Policy = Schemas['RoutingPolicy']
export type Rules = Schemas['Policy']
export type Rule = Schemas['Rule']
export type Backtest = Schemas['PolicyBacktest']

export const usePolicies = (enabled = true) =>
  useQuery({ enabled, queryKey: ['policies'], queryFn: () => all((cursor) => ok(api.GET('/v1/policies', { params: { query: { limit: 500, cursor } } }))) })

export const usePolicy = (id?: string) =>
  useQuery({ queryKey: ['policies', id], enabled: !!id, queryFn: () => ok(api.GET('/v1/policies/{id}', { params: { path: { id: id! } } })) })

export const usePool = (project?: string) =>
  useQuery({ queryKey: ['pool', project], enabled: !!project, queryFn: () => ok(api.GET('/v1/projects/{id}/pool', { params: { path: { id: project! } } })) })

/** A back-test's job: asked again while it runs. */
export const useBacktests = (policy: string, enabled: boolean) =>
  useQuery({
    queryKey: ['backtests', policy],
    enabled,
    queryFn: () => all((cursor) => ok(api.GET('/v1/backtests', { params: { query: { limit: 100, cursor } } }))).then((l) => l.filter((b) => b.policy_id === policy)),
    refetchInterval: (q) => (q.state.data?.some((b) => b.state === 'running') ? 700 : false),
  })

export const renewPolicies = () => {
  void queries.invalidateQueries({ queryKey: ['policies'] })
  void queries.invalidateQueries({ queryKey: ['backtests'] })
}
