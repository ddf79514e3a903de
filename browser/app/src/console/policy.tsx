import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { api, ok } from '../lib/api'
import { faultOf } from '../lib/fault'
import { useMay } from '../lib/me'
import { t } from '../lib/words'
import { Missing } from '../root'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { Progress } from '../ui/progress'
import { Select } from '../ui/select'
import { Rows } from '../ui/skeleton'
import { When } from '../ui/time'
import { say, sayFault } from '../ui/toast'
import { Outcome } from './backtest'
import { useProjects } from './data'
import { Page, Part, Sorry } from './page'
import { type Backtest, type Policy, renewPolicies, useBacktests, usePolicy } from './policies'
import { PolicyWords } from './routing'

const here = getRouteApi('/inside/console/routing/$id')

/** One version of a project's policy: what it says, what it would have done, and whether leads go by it. */
export function PolicyPage() {
  const { id } = here.useParams()
  const policy = usePolicy(id)
  const projects = useProjects()
  const may = useMay()
  if (policy.isError && faultOf(policy.error).status === 404) return <Missing />
  if (policy.isError && !policy.data) return <Sorry error={policy.error} again={() => void policy.refetch()} />
  const p = policy.data
  if (!p) return <Page title={t('console.nav.routing')}><Rows n={5} tall /></Page>
  const manage = !!may('routing:manage')
  return (
    <Page
      title={<span className="flex flex-wrap items-center gap-3">{t('console.routing.version', { n: p.version, name: p.name })}{p.published ? <Badge tone="good">{t('console.routing.published')}</Badge> : <Badge>{p.published_at ? t('console.routing.was') : t('console.routing.isDraft')}</Badge>}</span>}
      words={<><Link to="/console/routing" className="underline underline-offset-4">{projects.data?.find((x) => x.id === p.project_id)?.name ?? t('console.nav.routing')}</Link> · <When at={p.created_at} /></>}
      action={manage && <Acts policy={p} />}
    >
      <div className="grid grid-cols-1 gap-x-14 gap-y-10 lg:grid-cols-[minmax(0,5fr)_minmax(0,6fr)]">
        <Part title={t('console.routing.says')}><PolicyWords policy={p.policy} warnings={p.warnings} /></Part>
        {manage && <Tests policy={p} />}
      </div>
    </Page>
  )
}

function Acts({ policy: p }: { policy: Policy }) {
  const go = useNavigate()
  const [ask, show] = useState<'publish' | 'rollback' | null>(null)
  const act = useMutation({
    mutationFn: (what: 'publish' | 'rollback') => ok(api.POST(`/v1/policies/{id}/${what}`, { params: { path: { id: p.id } } })),
    onSuccess: (now, what) => {
      say(t(what === 'publish' ? 'console.routing.isPublished' : 'console.routing.isBack', { name: now.name, n: now.version }), { kind: 'good' })
      if (now.id !== p.id) void go({ to: '/console/routing/$id', params: { id: now.id } })
    },
    onError: sayFault,
    onSettled: () => {
      show(null)
      renewPolicies()
    },
  })
  return (
    <>
      <Button icon="pen" onClick={() => void go({ to: '/console/routing/new', search: { from: p.id } })}>{t('console.routing.draftFrom')}</Button>
      {p.published && p.version > 1 && <Button icon="back" onClick={() => show('rollback')}>{t('console.routing.rollback')}</Button>}
      {!p.published && <Button look="primary" icon="check" onClick={() => show('publish')}>{t('console.routing.publish')}</Button>}
      <Dialog
        open={!!ask}
        onClose={() => show(null)}
        title={t(ask === 'rollback' ? 'console.routing.rollbackAsk' : 'console.routing.publishAsk')}
        words={t(ask === 'rollback' ? 'console.routing.rollbackWords' : 'console.routing.publishWords')}
        actions={
          <>
            <Button look="quiet" onClick={() => show(null)}>{t('common.cancel')}</Button>
            <Button look="primary" busy={act.isPending} onClick={() => ask && act.mutate(ask)}>{ask === 'rollback' ? t('console.routing.rollbackDo') : t('console.routing.publishDo')}</Button>
          </>
        }
      />
    </>
  )
}

/** What it would have done with the leads of the last days. */
function Tests({ policy: p }: { policy: Policy }) {
  const tests = useBacktests(p.id, true)
  const [days, setDays] = useState('7')
  const begin = useMutation({
    mutationFn: () => ok(api.POST('/v1/policies/{id}/backtest', { params: { path: { id: p.id } }, body: { days: Number(days) } })),
    onError: sayFault,
    onSettled: renewPolicies,
  })
  const newest = tests.data?.[0]
  return (
    <Part
      title={t('console.backtest.title')}
      action={
        <span className="flex items-center gap-2">
          <Select hideLabel className="w-32" label={t('console.backtest.days')} value={days} onChange={setDays} choices={['1', '7', '28', '90'].map((d) => ({ value: d, label: t('console.backtest.last', { count: Number(d) }) }))} />
          <Button busy={begin.isPending} disabled={newest?.state === 'running'} onClick={() => begin.mutate()}>{t('console.backtest.go')}</Button>
        </span>
      }
    >
      {tests.isPending ? <Rows n={3} /> : newest ? <Test key={newest.id} test={newest} /> : <p className="max-w-120 text-soft">{t('console.backtest.words')}</p>}
    </Part>
  )
}

function Test({ test: b }: { test: Backtest }) {
  const whole = useQuery({ queryKey: ['backtests', 'one', b.id, b.state], enabled: b.state === 'done', queryFn: () => ok(api.GET('/v1/backtests/{id}', { params: { path: { id: b.id } } })) })
  const cancel = useMutation({ mutationFn: () => ok(api.POST('/v1/backtests/{id}/cancel', { params: { path: { id: b.id } } })), onError: sayFault, onSettled: renewPolicies })
  if (b.state === 'running') {
    return (
      <div className="space-y-3">
        <Progress label={t('console.backtest.runs')} value={b.rounds_done} of={b.rounds} />
        <p className="flex items-center justify-between gap-4 text-sm text-soft">{t('console.backtest.leave')}<Button look="quiet" busy={cancel.isPending} onClick={() => cancel.mutate()}>{t('console.bulk.stop')}</Button></p>
      </div>
    )
  }
  if (b.state !== 'done') return <p className="text-soft">{t(b.state === 'failed' ? 'console.backtest.failed' : 'console.backtest.cancelled')}</p>
  const result = whole.data?.result ?? b.result
  return result ? <Outcome test={b} result={result} /> : <Rows n={4} />
}
