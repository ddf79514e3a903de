import { useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, useBlocker, useNavigate } from '@tanstack/react-router'
import { useDeferredValue, useEffect, useState } from 'react'
import { api, ok } from '../lib/api'
import { faultOf } from '../lib/fault'
import { t } from '../lib/words'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Field } from '../ui/field'
import { Icon } from '../ui/icon'
import { Block, Rows } from '../ui/skeleton'
import { formFault } from '../ui/toast'
import { useProjects } from './data'
import { Hours, Limits, Levels } from './limits'
import { Page, Part, Sorry } from './page'
import { type Rules, renewPolicies, usePolicy, usePool } from './policies'
import { PolicyWords } from './routing'
import { RuleForm } from './rule'

const here = getRouteApi('/inside/console/routing/new')

/** Writes the next version of a policy, from one that is there; beside it stands what it says. */
export function Draft() {
  const { from } = here.useSearch()
  const base = usePolicy(from)
  const projects = useProjects()
  if (base.isError) return <Sorry error={base.error} again={() => void base.refetch()} />
  if (!base.data) return <Page title={t('console.draft.title')}><Rows n={5} tall /></Page>
  const project = projects.data?.find((p) => p.id === base.data.project_id)
  return <Editor key={base.data.id} project={base.data.project_id} projectName={project?.name ?? ''} policy={base.data.policy} />
}

function Editor({ project, projectName, policy }: { project: string; projectName: string; policy: Rules }) {
  const go = useNavigate()
  const [name, setName] = useState('')
  const [rules, change] = useState<Rules>(policy)
  const pool = usePool(project)
  const dirty = rules !== policy || name !== ''
  const save = useMutation({
    mutationFn: () => ok(api.POST('/v1/policies', { body: { project_id: project, name: name.trim(), policy: rules } })),
    onSuccess: (made) => {
      renewPolicies()
      void go({ to: '/console/routing/$id', params: { id: made.id }, ignoreBlocker: true })
    },
    onError: (e) => void formFault(e),
  })
  const leaving = useBlocker({ shouldBlockFn: () => dirty && !save.isSuccess, withResolver: true, enableBeforeUnload: dirty && !save.isSuccess })
  const faults = save.isError ? faultOf(save.error).fields : {}
  const all = rules.rules
  const setRule = (i: number, part: Partial<Rules['rules'][number]>) => change({ ...rules, rules: all.map((r, j) => (j === i ? { ...r, ...part } : r)) })
  const move = (i: number, by: number) => {
    const next = [...all]
    const [r] = next.splice(i, 1)
    next.splice(i + by, 0, r!)
    // A rule falls back to a later one only, and the last has no condition.
    change({ ...rules, rules: next.map((x, j) => ({ ...x, when: j === next.length - 1 ? undefined : x.when, fallback: next.slice(j + 1).some((y) => y.name === x.fallback) ? x.fallback : undefined })) })
  }
  const add = () => {
    const names = new Set(all.map((r) => r.name))
    let n = all.length
    while (names.has(t('console.draft.newRule', { n }))) n++
    change({ ...rules, rules: [{ name: t('console.draft.newRule', { n }), method: 'round_robin', fallback: all.at(-1)?.name }, ...all] })
  }
  return (
    <Page title={t('console.draft.title')} words={projectName}>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          save.mutate()
        }}
        className="grid grid-cols-1 gap-x-14 gap-y-10 lg:grid-cols-[minmax(0,1fr)_380px]"
      >
        <div className="min-w-0 space-y-10">
          <Field label={t('console.draft.name')} placeholder={t('console.draft.nameExample')} required maxLength={80} value={name} onChange={(e) => setName(e.target.value)} fault={faults.name} className="max-w-110" autoComplete="off" />
          <Part title={t('console.draft.rules')} action={<Button type="button" icon="plus" onClick={add}>{t('console.draft.addRule')}</Button>}>
            <p className="mb-3 text-soft">{t('console.draft.rulesWords')}</p>
            <ol>
              {all.map((r, i) => (
                <RuleForm
                  key={i}
                  n={i + 1}
                  rule={r}
                  last={i === all.length - 1}
                  later={all.slice(i + 1).map((x) => x.name)}
                  people={pool.data?.members ?? []}
                  change={(part) => setRule(i, part)}
                  up={i > 0 ? () => move(i, -1) : undefined}
                  down={i < all.length - 1 ? () => move(i, 1) : undefined}
                  remove={all.length > 1 && i < all.length - 1 ? () => change({ ...rules, rules: all.filter((_, j) => j !== i) }) : undefined}
                />
              ))}
            </ol>
          </Part>
          <Hours rules={rules} change={change} />
          <Limits rules={rules} change={change} />
          <Levels rules={rules} change={change} />
        </div>
        <div className="min-w-0">
          <div className="space-y-6 lg:sticky lg:top-7">
            <Preview project={project} rules={rules} />
            <div className="flex flex-wrap gap-2">
              <Button type="submit" look="primary" busy={save.isPending}>{t('console.draft.save')}</Button>
              <Button type="button" look="quiet" onClick={() => void go({ to: '/console/routing' })}>{t('common.cancel')}</Button>
            </div>
            <p className="text-sm text-soft">{t('console.draft.saveWords')}</p>
          </div>
        </div>
      </form>
      <Confirm open={leaving.status === 'blocked'} onClose={() => leaving.reset?.()} title={t('console.draft.leave')} words={t('console.draft.leaveWords')} verb={t('console.draft.leaveDo')} onYes={() => leaving.proceed?.()} />
    </Page>
  )
}

/** What is being written as one would tell it, once the server has looked at it. */
function Preview({ project, rules }: { project: string; rules: Rules }) {
  const [settled, settle] = useState(rules)
  useEffect(() => {
    const timer = setTimeout(() => settle(rules), 350)
    return () => clearTimeout(timer)
  }, [rules])
  const body = useDeferredValue(settled)
  const read = useQuery({
    queryKey: ['policy-check', project, body],
    queryFn: () => ok(api.POST('/v1/policies/check', { body: { project_id: project, policy: body } })),
    placeholderData: (before) => before,
    retry: false,
    gcTime: 60_000,
  })
  const fault = read.error ? faultOf(read.error) : null
  const said = fault ? Object.values(fault.fields) : []
  return (
    <section aria-live="polite" className="border-s-2 border-accent ps-5">
      <h2 className="mb-2 text-sm font-semibold text-soft">{t('console.draft.says')}</h2>
      {read.isPending && <Block className="h-20 w-full" />}
      {fault && (
        <div className="space-y-1.5">
          {(said.length ? said : [fault.detail ?? fault.message]).map((s) => (
            <p key={s} className="flex items-start gap-2 text-lost"><Icon name="warn" className="mt-0.5 size-4" /><span>{s}</span></p>
          ))}
        </div>
      )}
      {!fault && read.data && <PolicyWords policy={body} warnings={read.data.warnings} />}
    </section>
  )
}
