package azts

import "strings"

// docsURL is where the public documentation of AzTS describes its controls: a
// page for each feature, with a heading for each control's id. GitHub names the
// place of a heading by its text in lower case.
const docsURL = "https://github.com/azsk/AzTS-docs/blob/HEAD/Control%20coverage/Feature/"

// featurePages are the pages of features, by the second part of control ids.
var featurePages = func() map[string]string {
	pages := map[string]string{
		"AIServicesMultiServiceAccount": "AIServices", "Cosmos": "CosmosDB", "DBForMySQLFlexibleServer": "DBForMySqlFlexibleServer",
		"DBForPostgreSQLFlexibleServer": "DBForPostgreSQLFlexibleServer", "DBforMySQL": "DBForMySql", "DBforPostgreSQL": "DBForPostgreSQL",
		"ERvNet": "VirtualNetwork", "FunctionApps": "AppService", "IoTHub": "IotHubs", "IoTHubs": "IotHubs",
		"MultiServiceAccount": "MachineLearningWorkspace", "SQLDatabase": "SQLServer", "StreamAnalytics": "StreamAnalyticsJobs",
		"Subscription": "SubscriptionCore", "Synapse": "SynapseWorkspace", "VNet": "VirtualNetwork",
	}
	for _, name := range strings.Fields(`AIFoundry AISearch AIServices APIManagement ActionGroups AppService ApplicationGateway AutomationAccounts
	BackupVault Bastion BatchAccounts BotServices CDN CloudService CognitiveServices ComputerVision ContainerApps
	ContainerInstance ContainerRegistry ContentSafety CosmosDB DBForMariaDB DataFactory DataLakeAnalytics
	DataLakeStore DataShare Databricks DocumentIntelligence EventHub FaceAPI FrontDoor HDInsight HealthInsights
	HybridCompute ImmersiveReader KeyVault KubernetesService LanguageService LoadBalancer LogicApps
	MachineLearningWorkspace NSG NotificationHub OpenAI RecoveryServicesVault RedisCache RedisEnterprise
	SQLManagedInstance SQLServer ServiceBus ServiceFabric SpeechService Storage SynapseWorkspace TrafficManager
	Translator VirtualMachine VirtualMachineScaleSet`) {
		pages[name] = name
	}
	return pages
}()

// controlPages are the pages of controls that stand on another than their id says.
var controlPages = map[string]string{
	"Azure_AVD_Audit_Enable_ApplicationGroup_Diagnostics":            "AVDApplicationGroups",
	"Azure_AVD_Audit_Enable_HostPool_BootDiagnostics":                "AVDHostPool",
	"Azure_AVD_SI_Configure_HostPool_SecureBoot":                     "AVDHostPool",
	"Azure_AVD_NetSec_Restrict_Public_InboundPort":                   "AVDHostPool",
	"Azure_AVD_Audit_Enable_HostPool_Diagnostic_Settings":            "AVDHostPool",
	"Azure_AVD_NetSec_Restrict_Public_IPs":                           "AVDHostPool",
	"Azure_AVD_NetSec_Dont_Allow_Public_Network_Access":              "AVDHostPool",
	"Azure_AVD_Audit_Enable_Workspace_Diagnostics_Trial":             "AVDWorkspaces",
	"Azure_FrontDoor_CDNProfile_NetSec_Enable_WAF_Configuration":     "CDN",
	"Azure_FrontDoor_CDNProfile_DP_Use_Secure_TLS_Version":           "CDN",
	"Azure_AISearch_AuthZ_Enable_Role_Based_API_Access_Only":         "CognitiveSearch",
	"Azure_AISearch_AuthN_Use_Managed_Service_Identity":              "CognitiveSearch",
	"Azure_SQLDatabase_BCDR_Configure_Geo_Redundancy":                "SQLDatabase",
	"Azure_SQLDatabase_DP_Enable_Encryption_With_Secure_Enclaves":    "SQLDatabase",
	"Azure_VirtualMachineScaleSet_Audit_Enable_Data_Collection_Rule": "VirtualMachine",
	"Azure_VirtualMachineScaleSet_AuthN_Enable_AADAuth_Windows":      "VirtualMachine",
	"Azure_VirtualMachineScaleSet_DP_Avoid_Plaintext_Secrets":        "VirtualMachine",
}

// ControlDocs returns the address at which the public documentation of AzTS
// describes a control, or "" if it has no page for it. Controls that an
// organization made itself have none.
func ControlDocs(controlName string) string {
	page, found := controlPages[controlName]
	if !found {
		rest, ok := strings.CutPrefix(controlName, "Azure_")
		feature, name, more := strings.Cut(rest, "_")
		if page = featurePages[feature]; !ok || !more || page == "" || !isIdentifier(name) {
			return ""
		}
	}
	return docsURL + page + ".md#" + strings.ToLower(controlName)
}

// isIdentifier reports whether a name is of letters, digits and underscores.
func isIdentifier(name string) bool {
	return name != "" && strings.IndexFunc(name, func(c rune) bool {
		return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}) < 0
}
