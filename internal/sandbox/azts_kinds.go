package sandbox

import (
	"fmt"
	"strconv"
	"strings"
)

// kind is a type of resource as AzTS groups controls: a feature of
// azts-controls.csv.
type kind struct {
	noun   string // "storage account"
	arm    string // resource type, where the list leaves it open or cuts it short
	prefix string // of resource names; "" is the subscription itself
	tight  bool   // names have lower-case letters and digits only, 24 at most
	parent string // prefix of the parent resource for nested types
}

var kinds = map[string]kind{
	"SubscriptionCore":              {noun: "subscription"},
	"VirtualMachine":                {noun: "virtual machine", arm: "Microsoft.Compute/virtualMachines", prefix: "vm"},
	"APIManagement":                 {noun: "API Management service", prefix: "apim"},
	"AppService":                    {noun: "app service", prefix: "app"},
	"VirtualMachineScaleSet":        {noun: "virtual machine scale set", prefix: "vmss"},
	"MachineLearningWorkspace":      {noun: "Machine Learning workspace", prefix: "mlw"},
	"VirtualNetwork":                {noun: "virtual network", prefix: "vnet"},
	"CosmosDB":                      {noun: "Cosmos DB account", prefix: "cosmos"},
	"SQLServer":                     {noun: "SQL server", prefix: "sql"},
	"Storage":                       {noun: "storage account", prefix: "st", tight: true},
	"KubernetesService":             {noun: "Kubernetes cluster", arm: "Microsoft.ContainerService/managedClusters", prefix: "aks"},
	"AIServices":                    {noun: "AI services account", prefix: "ais"},
	"ServiceFabric":                 {noun: "Service Fabric cluster", prefix: "sf", tight: true},
	"DBForPostgreSQL":               {noun: "PostgreSQL server", prefix: "psql"},
	"AIFoundry":                     {noun: "AI Foundry hub", prefix: "hub"},
	"KeyVault":                      {noun: "key vault", prefix: "kv"},
	"DBForMySql":                    {noun: "MySQL server", prefix: "mysql"},
	"CognitiveServices":             {noun: "Cognitive Services account", prefix: "cog"},
	"LogicApps":                     {noun: "logic app", prefix: "logic"},
	"AVDHostPool":                   {noun: "host pool", prefix: "vdpool"},
	"SpeechService":                 {noun: "Speech account", prefix: "spch"},
	"RedisCache":                    {noun: "Redis cache", prefix: "redis"},
	"OpenAI":                        {noun: "OpenAI account", prefix: "oai"},
	"LanguageService":               {noun: "Language account", prefix: "lang"},
	"FaceAPI":                       {noun: "Face account", prefix: "face"},
	"EventHub":                      {noun: "Event Hubs namespace", arm: "Microsoft.EventHub/namespaces", prefix: "evhns"},
	"ComputerVision":                {noun: "Computer Vision account", prefix: "cv"},
	"CloudService":                  {noun: "cloud service", prefix: "cld"},
	"Translator":                    {noun: "Translator account", prefix: "trsl"},
	"ServiceBus":                    {noun: "Service Bus namespace", prefix: "sbns"},
	"SQLManagedInstance":            {noun: "SQL managed instance", prefix: "sqlmi"},
	"RedisEnterprise":               {noun: "Redis Enterprise cluster", prefix: "rec"},
	"HealthInsights":                {noun: "Health Insights account", prefix: "hi"},
	"DocumentIntelligence":          {noun: "Document Intelligence account", prefix: "di"},
	"DBForMySqlFlexibleServer":      {noun: "MySQL flexible server", prefix: "mysqlfx"},
	"ContentSafety":                 {noun: "Content Safety account", prefix: "cs"},
	"ContainerRegistry":             {noun: "container registry", arm: "Microsoft.ContainerRegistry/registries", prefix: "cr", tight: true},
	"BackupVault":                   {noun: "backup vault", prefix: "bvault"},
	"SynapseWorkspace":              {noun: "Synapse workspace", arm: "Microsoft.Synapse/workspaces", prefix: "synw"},
	"LoadBalancer":                  {noun: "load balancer", prefix: "lbe"},
	"HDInsight":                     {noun: "HDInsight cluster", prefix: "hdi"},
	"FrontDoor":                     {noun: "Front Door profile", arm: "Microsoft.Network/frontDoors", prefix: "afd"},
	"ContainerApps":                 {noun: "container app", prefix: "ca"},
	"CDN":                           {noun: "CDN profile", prefix: "cdnp"},
	"BotServices":                   {noun: "bot", prefix: "bot"},
	"ApplicationGateway":            {noun: "application gateway", prefix: "agw"},
	"SQLDatabase":                   {noun: "SQL database", prefix: "sqldb", parent: "sql"},
	"RecoveryServicesVault":         {noun: "Recovery Services vault", prefix: "rsv"},
	"NSG":                           {noun: "network security group", prefix: "nsg"},
	"IotHubs":                       {noun: "IoT hub", prefix: "iot"},
	"ImmersiveReader":               {noun: "Immersive Reader account", prefix: "ir"},
	"HybridCompute":                 {noun: "Arc machine", prefix: "arcs"},
	"DataLakeStore":                 {noun: "Data Lake Store", prefix: "dls", tight: true},
	"DataFactory":                   {noun: "data factory", prefix: "adf"},
	"DBForPostgreSQLFlexibleServer": {noun: "PostgreSQL flexible server", prefix: "psqlfx"},
	"CognitiveSearch":               {noun: "search service", prefix: "srch"},
	"AutomationAccounts":            {noun: "automation account", prefix: "aa"},
	"AISearch":                      {noun: "AI Search service", prefix: "srch"},
	"TrafficManager":                {noun: "Traffic Manager profile", arm: "Microsoft.Network/trafficManagerProfiles", prefix: "traf"},
	"StreamAnalyticsJobs":           {noun: "Stream Analytics job", prefix: "asa"},
	"NotificationHub":               {noun: "notification hub", prefix: "ntf", parent: "ntfns"},
	"Databricks":                    {noun: "Databricks workspace", prefix: "dbw"},
	"DataShare":                     {noun: "data share account", prefix: "dsa"},
	"DataLakeAnalytics":             {noun: "Data Lake Analytics account", prefix: "dla", tight: true},
	"DBForMariaDB":                  {noun: "MariaDB server", prefix: "maria"},
	"ContainerInstance":             {noun: "container group", prefix: "ci"},
	"BatchAccounts":                 {noun: "Batch account", prefix: "ba", tight: true},
	"Bastion":                       {noun: "Bastion host", prefix: "bas"},
	"ActionGroups":                  {noun: "action group", prefix: "ag"},
	"AVDWorkspaces":                 {noun: "desktop workspace", prefix: "vdws"},
	"AVDApplicationGroups":          {noun: "desktop application group", prefix: "vdag"},
}

// A module is a resource group with the resources of one workload. A theme is
// the list of modules that a subscription runs, over and over.
var (
	moduleFeatures = map[string][]string{
		"web":      {"AppService", "Storage", "KeyVault", "SQLServer", "SQLDatabase", "AppService", "RedisCache", "FrontDoor", "ActionGroups"},
		"shop":     {"APIManagement", "ContainerApps", "ContainerRegistry", "CosmosDB", "ServiceBus", "KeyVault", "Storage", "CDN", "TrafficManager"},
		"payments": {"KubernetesService", "ContainerRegistry", "KeyVault", "DBForPostgreSQL", "DBForPostgreSQLFlexibleServer", "EventHub", "Storage", "ApplicationGateway", "NSG"},
		"data":     {"DataFactory", "SynapseWorkspace", "Databricks", "Storage", "EventHub", "StreamAnalyticsJobs", "KeyVault", "SQLManagedInstance", "DataShare", "Storage"},
		"network":  {"VirtualNetwork", "NSG", "NSG", "Bastion", "LoadBalancer", "ApplicationGateway", "VirtualNetwork", "FrontDoor"},
		"machines": {"VirtualMachine", "VirtualMachine", "VirtualMachineScaleSet", "RecoveryServicesVault", "BackupVault", "NSG", "Storage", "AutomationAccounts", "HybridCompute"},
		"ai":       {"OpenAI", "AISearch", "AIServices", "AIFoundry", "MachineLearningWorkspace", "DocumentIntelligence", "ContentSafety", "SpeechService", "Storage", "KeyVault"},
		"language": {"LanguageService", "Translator", "ComputerVision", "FaceAPI", "BotServices", "HealthInsights", "ImmersiveReader", "CognitiveServices", "CognitiveSearch"},
		"desktop":  {"AVDHostPool", "AVDWorkspaces", "AVDApplicationGroups", "VirtualMachine", "Storage", "KeyVault", "NSG"},
		"legacy":   {"CloudService", "ServiceFabric", "HDInsight", "DBForMySql", "DBForMariaDB", "DataLakeStore", "DataLakeAnalytics", "BatchAccounts", "RedisEnterprise"},
		"events":   {"LogicApps", "IotHubs", "NotificationHub", "ServiceBus", "DBForMySqlFlexibleServer", "ContainerInstance", "CosmosDB", "Storage"},
	}
	themeModules = [][]string{
		{"web", "machines", "events", "network", "data"},
		{"payments", "shop", "network", "events", "machines"},
		{"data", "events", "machines", "web", "ai"},
		{"network", "machines", "web", "desktop"},
		{"ai", "language", "data", "web", "shop"},
		{"legacy", "machines", "web", "events", "network"},
		{"desktop", "machines", "network", "web", "events"},
	}
)

var (
	workloadNames = map[string][]string{
		"web": {"portal", "intranet", "careers"}, "shop": {"checkout", "catalogue", "loyalty"},
		"payments": {"payments", "settlement", "ledger"}, "data": {"analytics", "lake", "reporting"},
		"network": {"hub", "edge", "connectivity"}, "machines": {"erp", "buildagents", "files"},
		"ai": {"copilot", "search", "vision"}, "language": {"translate", "assistant", "forms"},
		"desktop": {"workplace", "callcentre", "contractors"}, "legacy": {"mainframe-bridge", "oldcrm", "archive"},
		"events": {"orders", "telemetry", "notify"},
	}
	stageNames  = []string{"prod", "test", "dev", "stg"}
	regionNames = []string{"weu", "neu", "sdc", "eus2"}
)

// place is where a resource stands: its resource group's module and repetition.
type place struct {
	sub    subscription
	module string
	cycle  int // how often the theme has been repeated before
	slot   int // which resource of the theme
}

func (p place) words() (workload, stage, region string) {
	h := mix(p.sub.seed, 6, mixString(p.module), uint64(p.cycle))
	names := workloadNames[p.module]
	return names[h%uint64(len(names))], stageNames[h>>8%uint64(len(stageNames))], regionNames[h>>16%uint64(len(regionNames))]
}

// resourceGroup names the group; a few names are long, accented or in another
// script, as Azure permits.
func (p place) resourceGroup() string {
	workload, stage, region := p.words()
	name := fmt.Sprintf("rg-%s-%s-%s-%03d", workload, stage, region, p.cycle+1)
	switch mix(p.sub.seed, 7, mixString(p.module), uint64(p.cycle)) % 17 {
	case 0:
		return fmt.Sprintf("rg-%s-größe-(übergang)_%s.alt-%03d", workload, stage, p.cycle+1)
	case 1:
		return fmt.Sprintf("rg-データ基盤-%s-%03d", workload, p.cycle+1)
	case 2:
		return name + "-managed-by-platform-team-do-not-delete-before-2027-01-31"
	case 3:
		return strings.ToUpper(name)
	}
	return name
}

// resource names the resource and returns its ARM id.
func (p place) resource(k kind, armType string) (name, id string) {
	name = p.name(k)
	if k.prefix == "" {
		return name, "/subscriptions/" + p.sub.id
	}
	group := "/subscriptions/" + p.sub.id + "/resourceGroups/" + p.resourceGroup() + "/providers/"
	parts := strings.Split(armType, "/")
	if k.parent == "" || len(parts) < 3 {
		return name, group + armType + "/" + name
	}
	parent := p.name(kind{prefix: k.parent})
	return name, group + parts[0] + "/" + parts[1] + "/" + parent + "/" + parts[2] + "/" + name
}

// name is the resource's own name. It is made without fmt: a filter by name
// makes thousands of them.
func (p place) name(k kind) string {
	if k.prefix == "" {
		return p.sub.name
	}
	workload, stage, region := p.words()
	n := p.cycle*100 + p.slot + 1
	number := strconv.Itoa(n)
	if len(number) < 3 {
		number = "00"[len(number)-1:] + number
	}
	if k.tight {
		name, suffix := k.prefix+strings.ReplaceAll(workload, "-", ""), stage+number
		return name[:min(len(name), 24-len(suffix))] + suffix
	}
	switch mix(p.sub.seed, 8, uint64(n)) % 29 {
	case 0:
		return k.prefix + "-" + workload + "-" + stage + "-" + region + "-" + number + "-blue-green-slot-for-the-regional-failover-drill"
	case 1:
		return k.prefix + "-" + workload + "-übung-" + number
	case 2:
		return strings.ToUpper(k.prefix + "-" + workload + "-" + stage + "-" + region + "-" + number)
	}
	return k.prefix + "-" + workload + "-" + stage + "-" + region + "-" + number
}
